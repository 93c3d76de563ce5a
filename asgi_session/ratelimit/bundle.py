"""What one process holds of the permits that one partition asks for together, and how many of them it should ask for.

Pure state: no clock, no I/O. Times are the caller's monotonic seconds.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice

from asgi_session.ratelimit.base import Decision, Grant, Permit, Said, Told

SHARE = 10
"""A lease is at most one in so many of the uses that are left."""
LEAST = 50
"""While the limit is far, a lease is at least one in so many of all uses: who comes now and then needs few questions, too.

That is, of what each quota allows in the shortest window: at its end the rest of a lease is lost, which may not use up longer ones.
"""
BUSY = 10
"""Wishes within the time that a lease is for (a second), from which on a bundle counts as busy."""
LONGEST_REST = 3.0
"""Seconds; see ``Bundle._rest``."""
RESTS_IN_WINDOW = 20
LONGEST_SILENCE = 120.0
"""Seconds after which the shared limiter is asked again, however long it said that there is no room: a failover or an operator may
have taken its counts away."""


class Bundle:
    """The permits, what is held of them, and what the shared limiter said last."""

    __slots__ = (
        "_answer",
        "_asked_at",
        "_costs",
        "_least",
        "_left",
        "_most",
        "_recent",
        "_refusal",
        "_refused_until",
        "_said_at",
        "_turned_away",
        "_until",
        "_wanted",
        "asking",
        "permits",
        "waiting",
    )

    def __init__(self, permits: Sequence[Permit], now: float) -> None:
        self.permits = permits
        self.asking: asyncio.Task[None] | None = None
        """The question that is under way; all who wait share it."""
        self.waiting = 0
        quotas = [(quota, permit.cost) for permit in permits for quota in permit.policy.quotas]
        self._costs = [cost for _, cost in quotas]
        shortest = min((quota.window for quota, _ in quotas), default=0)
        self._most = min((quota.limit // cost for quota, cost in quotas), default=0) // SHARE
        self._least = min((quota.limit * shortest // quota.window // cost for quota, cost in quotas), default=0) // LEAST
        self._left = 0
        """Uses."""
        self._until = 0.0
        """When what is left is lost."""
        self._refused_until = 0.0
        self._answer: list[tuple[int, Decision]] = []
        """What came with the last lease, each with its cost; empty after a refusal."""
        self._refusal: list[tuple[int, Decision]] = []
        """What to say until ``_refused_until``, when nothing is held."""
        self._said_at = now
        self._asked_at = now
        self._wanted = 0
        """Wishes since then that were answered here."""
        self._turned_away = 0
        """Those of them that were refused."""
        self._recent = 0.0
        """Wishes in as many seconds as a lease is for."""

    def heed(self, task: asyncio.Task[None]) -> None:
        """A question has its answer. Whoever waits has its exception too; with nobody left it is no news."""
        if self.asking is task:
            self.asking = None
        if not task.cancelled():
            task.exception()

    def holds(self, now: float) -> bool:
        """Whether there is something to spend."""
        return self._left > 0 and now < self._until

    def refuses(self, now: float) -> bool:
        """Whether it holds nothing, and is known to be refused."""
        return now < self._refused_until and not self.holds(now)

    def is_known(self, now: float) -> bool:
        """Whether ``said`` is worth telling: something was said, and no refusal is over since."""
        return self.refuses(now) or (bool(self._answer) and (not self._refused_until or self.holds(now)))

    def use(self, now: float) -> list[Told] | None:
        """One use of what it holds, or a refusal that is known; None where it takes asking to say."""
        if self._left > 0 and now < self._until:
            self._left -= 1
            self._wanted += 1
            return self._say(self._answer, now)
        if now < self._refused_until:
            self._turned_away += 1
            self._wanted += 1
            return self._say(self._refusal, now)
        return None

    def said(self, now: float) -> list[Told]:
        """What the next ``use`` would say; where it would be None, what the last one said."""
        return self._say(self._refusal if self.refuses(now) else self._answer, now)

    def recall(self, now: float) -> list[Said]:
        """What the shared limiter said last; nothing before it has said something. What is held is not used yet."""
        left = self._left if now < self._until else 0
        rows = iter(self._answer or self._refusal)
        said: list[Said] = []
        for permit in self.permits if self._answer or self._refusal else ():
            of_permit = islice(rows, len(permit.policy.quotas))
            decisions = [decision._replace(remaining=decision.remaining + left * cost) for cost, decision in of_permit]
            said.append(Said(permit, self._said_at, decisions))
        return said

    def size(self, now: float, ahead: float) -> int:
        """How many uses to ask for now: one for each who waits, and more for those who will come within ``ahead`` seconds.

        While the limit is far, that is as many as came lately, or as will come until the window ends; at least a small share of the
        limit, at most one of what was left. Near the limit, one. Where requests were turned away until now, what has come free is
        theirs: as many as those, but a small share of the limit.
        """
        elapsed = now - self._asked_at
        faded = min(1.0, elapsed / ahead)
        self._recent = self._recent * (1 - faded) + self._wanted * (1.0 if faded < 1 else ahead / elapsed)
        room = min((said.remaining // cost for cost, said in self._answer), default=0)
        rest = min(1.0, (self._until - now) / ahead) if now < self._until else 1.0
        more = min(max(int(self._recent * rest), self._least), room // SHARE)
        if self._turned_away and self._recent >= BUSY and now < self._refused_until + LONGEST_REST:
            more = min(self._turned_away, self._most)
        self._asked_at, self._wanted, self._turned_away = now, 0, 0
        return max(1, self.waiting, more)

    def take(self, grant: Grant, sent: float, received: float) -> None:
        """What the shared limiter decided at some time between the two."""
        rows = list(zip(self._costs, grant.decisions, strict=True))
        self._said_at, self._left, self._refused_until = received, grant.uses, 0.0
        self._answer = rows if grant.uses else []
        if grant.uses:
            self._until = sent + min(decision.reset_after for decision in grant.decisions)
        if grant.next_in:  # these were the last ones, so what comes after them needs no question
            self._rest([_after(said, cost, grant.next_in) for cost, said in rows])

    def _rest(self, decisions: list[Decision]) -> None:
        """Refuse until there will be room, and for a short rest at least where the bundle is busy.

        Units of a sliding window come free one by one. Who takes each of them at once has to ask for each of them; so a busy
        bundle lets some come together, and those who are turned away meanwhile are told so.
        """
        refusals = [decision for decision in decisions if not decision.allowed]
        least = min(LONGEST_REST, min(said.window for said in refusals) / RESTS_IN_WINDOW) if self._recent >= BUSY else 0.0
        waits = [said if said.allowed else said._replace(reset_after=max(said.reset_after, least)) for said in decisions]
        self._refusal = list(zip(self._costs, waits, strict=True))
        wait = max(said.reset_after for said in waits if not said.allowed)
        self._refused_until = self._said_at + min(wait, LONGEST_SILENCE)

    def _say(self, decisions: list[tuple[int, Decision]], now: float) -> list[Told]:
        """Decisions, as they are now that some of the lease is spent and some time is over.

        What is left here belongs to what remains. No reset is told earlier than it comes.
        """
        passed, left = now - self._said_at, self._left if now < self._until else 0
        said: list[Told] = []
        for cost, (quota, allowed, remaining, reset, _) in decisions:
            now_remaining = remaining + left * cost if allowed else remaining
            said.append((quota, allowed, now_remaining, reset - passed if reset > passed else 0.0, None))
        return said


def _after(said: Decision, cost: int, next_in: float) -> Decision:
    """What the quota says to the next one: a refusal, where it gave the last that it had."""
    return said._replace(allowed=False, reset_after=next_in) if said.allowed and said.remaining < cost else said
