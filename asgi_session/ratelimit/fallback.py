"""What happens while the shared storage is away: each rule says so itself, and the decision is quick (RL-14).

State: the moment until which the storage is left alone, and the questions that nobody waits for any more; both belong to the event
loop's thread. After a failure everybody decides without the storage for a pause; then one caller asks again while the others go on
without. A client that goes away in the middle of that leaves it to the next. A question that took too long goes on by itself: its
answer ends the pause, since the storage is there, and what it was granted is counted for a request that was decided without it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from asgi_session.clock import SYSTEM_CLOCK, Clock
from asgi_session.deadline import is_done_within
from asgi_session.exceptions import StoreError
from asgi_session.ratelimit.base import Decision, Permit, Permits, RateLimiter, Said, Told, admitted, named
from asgi_session.ratelimit.memory import MemoryRateLimiter


class FallbackRateLimiter:
    """A ``RateLimiter`` over a shared one, which never raises for its outages.

    Policies that are not shared are counted in this process from the start. The others are, while the storage is down,
    counted in this process (``"local"``), waved through (``"open"``) or refused (``"closed"``), as each of them says. The
    local count goes on from what the storage said last of the same permits (``recall``): where several processes do so, they admit
    together what was left, each for itself, and not a limit each.
    """

    def __init__(
        self,
        shared: RateLimiter,
        local: MemoryRateLimiter,
        *,
        recall: Callable[[Sequence[Permit]], Iterable[Said]] = lambda _: (),
        deadline: float = 0.05,
        pause: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._shared = shared
        self._local = local
        self._recall = recall
        self._deadline = deadline
        """Seconds that the shared storage has for a decision, so that the whole takes less than 0.1 on a busy loop (RL-14)."""
        self._pause = pause
        """Seconds for which it is left alone after it failed."""
        self._clock = clock
        self._away_until = 0.0
        self._overdue: set[asyncio.Task[list[Decision]]] = set()

    @property
    def degraded(self) -> bool:
        """Whether the shared storage failed when it was asked last."""
        return self._away_until > 0

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none.

        Where a policy that this process counts for itself has no room, the shared storage is not asked: the decisions are
        then those of the process's own policies alone, and the refusal has cost no I/O.
        """
        shared = [permit for permit in permits if permit.policy.shared]
        own = [permit for permit in permits if not permit.policy.shared]
        if not own:
            return await self._ask(permits)
        preview = self._local.decide(own, consume=not shared)
        if not shared or not admitted(preview):
            return preview
        verdicts = await self._ask(shared)
        return _in_order(permits, verdicts, self._local.decide(own, consume=admitted(verdicts)))

    def acquire_now(self, permits: Sequence[Permit]) -> Sequence[Told] | None:
        """Where this process counts all of them for itself, holds leases for all, or has to do without the storage just now."""
        if self._away_until == 0.0 and type(permits) is Permits and permits.groups is not None:  # the usual case: all are shared
            return self._shared.acquire_now(permits)
        for permit in permits:
            if permit.policy.shared:
                break
        else:
            return self._local.decide(permits)
        if any(not permit.policy.shared for permit in permits):
            return None
        if self._clock.monotonic() < self._away_until:
            return self._without_storage(permits)
        return self._shared.acquire_now(permits)

    async def start(self) -> None:
        """Get both ready."""
        await self._shared.start()
        await self._local.start()

    async def stop(self) -> None:
        """Stop both."""
        overdue = [question for question in self._overdue if question.get_loop() is asyncio.get_running_loop()]
        self._overdue.clear()
        for question in overdue:
            question.cancel()
        if overdue:
            await asyncio.wait(overdue)
        await self._shared.stop()
        await self._local.stop()

    async def _ask(self, permits: Sequence[Permit]) -> list[Decision]:
        now = self._clock.monotonic()
        if now < self._away_until:
            return self._without_storage(permits)
        held = self._shared.acquire_now(permits)
        if held is not None:  # the storage granted it before: that says nothing about how it is now
            return named(held)
        if self._away_until:  # this caller tries for all: until it knows more, the others go on without
            self._away_until = now + self._pause
        question = asyncio.ensure_future(self._shared.acquire(permits))
        question.add_done_callback(self._heed)
        try:
            if not await is_done_within(self._deadline, question):
                self._overdue.add(question)
            elif not isinstance(question.exception(), StoreError):
                return question.result()
        except asyncio.CancelledError:
            question.cancel()
            raise
        finally:
            del question  # where it failed: its error's traceback would hold this frame, and the frame the error
        self._away_until = self._clock.monotonic() + self._pause
        return self._without_storage(permits)

    def _heed(self, question: "asyncio.Task[list[Decision]]") -> None:
        """A question has its answer, in time or later: whoever answers is there. An error is told by who waits, or is no news."""
        self._overdue.discard(question)
        if not question.cancelled() and question.exception() is None:
            self._away_until = 0.0

    def _without_storage(self, permits: Sequence[Permit]) -> list[Decision]:
        closed = any(permit.policy.on_store_error == "closed" for permit in permits)
        counted = [permit for permit in permits if permit.policy.on_store_error == "local"]
        for said in self._recall(permits) if counted else ():
            self._local.learn(said)
        local = iter(self._local.decide(counted, consume=not closed))
        decisions: list[Decision] = []
        for permit in permits:
            for quota in permit.policy.quotas:
                if permit.policy.on_store_error == "local":
                    decisions.append(next(local)._replace(degraded="local"))
                elif permit.policy.on_store_error == "open":
                    decisions.append(Decision(quota, True, quota.limit, 0.0, "open"))
                else:
                    decisions.append(Decision(quota, False, 0, self._pause, "closed"))
        return decisions


def _in_order(permits: Sequence[Permit], shared: list[Decision], own: list[Decision]) -> list[Decision]:
    """The decisions of both, in the order of the permits and their quotas."""
    sources = {True: iter(shared), False: iter(own)}
    return [next(sources[permit.policy.shared]) for permit in permits for _ in permit.policy.quotas]
