"""Permits leased in batches, spent without a word to anybody: a busy key costs far less than one round trip a request.

A lease is the right to use one *bundle* (the permits that one partition asks for together) a number of times. The shared limiter
has counted it as used when it is granted, so however many processes hold leases, no quota is ever exceeded. What a lease costs is
at the other end: units that are not spent before the window in which they were counted ends are lost. So

* a lease is spent before the end of that window, as the shared limiter saw it when it was asked, or not at all;
* it is as large as what the process spent in the last quarter of a second, and never more than a tenth of what is left: near the
  limit, permits are asked for one at a time;
* a bundle that was refused is refused here, without asking, until the shared limiter said that it fits again;
* the exact log (``"moving"``) is never leased: its promise is about each single moment.

State: the bundles, which belong to the event loop's thread. Reading what is left and taking it happens without an await between.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from asgi_session.clock import SYSTEM_CLOCK
from asgi_session.ratelimit.base import Decision, Groups, Permit, Permits, RateLimiter

AHEAD = 0.25
"""Seconds of the observed rate for which permits are leased."""
SHARE = 10
"""A lease is at most one in so many of the units that are left."""
MAX_BUNDLES = 20_000
"""Bundles that are remembered; what the least recent ones still hold is lost."""


class Leasing(RateLimiter, Protocol):
    """A limiter that can grant a bundle several times at once."""

    async def lease(self, permits: Sequence[Permit], most: int) -> tuple[int, list[Decision]]:
        """Take the permits of one partition as many times as there is room, ``most`` at most: how often, and what is left."""
        ...


class Bundle:
    """What this process holds of one bundle."""

    __slots__ = ("asking", "decisions", "left", "rate", "refused_until", "since", "spent", "until", "waiting")

    def __init__(self, now: float) -> None:
        self.left = 0
        """How many times it may still be used."""
        self.until = 0.0
        """When what is left is lost (monotonic)."""
        self.decisions: list[Decision] = []
        """What the shared limiter said last."""
        self.refused_until = 0.0
        self.spent = 0
        self.since = now
        self.rate = 0.0
        """Uses a second, lately."""
        self.waiting = 0
        self.asking: asyncio.Task[None] | None = None

    def said(self, now: float) -> list[Decision]:
        """The shared limiter's decisions, as they are now that some of the lease is spent and some time is over."""
        passed = now - self.since
        left = self.left
        return [
            Decision(quota, allowed, remaining + left if allowed else remaining, max(0.0, reset - passed))
            for quota, allowed, remaining, reset, _ in self.decisions
        ]


class LeasedRateLimiter:
    """A ``RateLimiter`` that spends what a shared one granted."""

    def __init__(self, shared: Leasing, monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self._shared = shared
        self._monotonic = monotonic
        self._bundles: OrderedDict[str, Bundle] = OrderedDict()
        self.asked = 0
        """How often the shared limiter was asked."""

    def acquire_now(self, permits: Sequence[Permit]) -> list[Decision] | None:
        """Spend what is held, or refuse what is known to be refused; None where the shared limiter has to be asked."""
        groups = permits.groups if type(permits) is Permits else Permits(permits).groups
        if groups is None:
            return None
        if len(groups) == 1:  # the usual case
            bundle = self._bundles.get(groups[0][0])
            if bundle is None:
                return None
            now = self._monotonic()
            if bundle.left > 0 and now < bundle.until:
                bundle.left -= 1
                bundle.spent += 1
                return bundle.said(now)
            return bundle.said(now) if now < bundle.refused_until else None
        bundles = [self._bundles.get(name) for name, _ in groups]
        held = [bundle for bundle in bundles if bundle is not None]
        decisions = self._spend(held, self._monotonic()) if len(held) == len(groups) else None
        return _in_order(permits, groups, decisions) if decisions is not None else None

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none."""
        groups = permits.groups if isinstance(permits, Permits) else Permits(permits).groups
        if groups is None:  # a look without use, or an exact log
            self.asked += 1
            return await self._shared.acquire(permits)
        bundles = [self._bundle(key) for key, _ in groups]
        while True:
            decisions = self._spend(bundles, self._monotonic())
            if decisions is not None:
                return _in_order(permits, groups, decisions)
            for bundle, (_, wanted) in zip(bundles, groups, strict=True):
                if not self._holds(bundle, self._monotonic()):
                    await self._ask(bundle, wanted)

    async def peek(self, permits: Sequence[Permit]) -> list[Decision]:
        """What the shared limiter would say; what this process holds is counted there as used."""
        return await self._shared.peek(permits)

    async def start(self) -> None:
        """Start the shared one."""
        await self._shared.start()

    async def stop(self) -> None:
        """Forget what is held, and stop the shared one."""
        asking = [bundle.asking for bundle in self._bundles.values() if bundle.asking is not None]
        self._bundles.clear()
        mine = [task for task in asking if task.get_loop() is asyncio.get_running_loop()]
        if mine:
            await asyncio.wait(mine)
        await self._shared.stop()

    def _bundle(self, key: str) -> Bundle:
        bundle = self._bundles.get(key)
        if bundle is None:
            bundle = self._bundles[key] = Bundle(self._monotonic())
            if len(self._bundles) > MAX_BUNDLES:
                self._bundles.popitem(last=False)
        else:
            self._bundles.move_to_end(key)
        return bundle

    def _holds(self, bundle: Bundle, now: float) -> bool:
        return (bundle.left > 0 and now < bundle.until) or now < bundle.refused_until

    def _spend(self, bundles: Sequence[Bundle], now: float) -> list[Decision] | None:
        """One use of each bundle, or a refusal that is known; None where one of them has nothing to spend."""
        for bundle in bundles:
            if bundle.left > 0 and now < bundle.until:
                continue
            if now < bundle.refused_until:
                return [decision for each in bundles for decision in each.said(now)]
            return None
        for bundle in bundles:
            bundle.left -= 1
            bundle.spent += 1
        return [decision for bundle in bundles for decision in bundle.said(now)]

    async def _ask(self, bundle: Bundle, permits: Sequence[Permit]) -> None:
        """Ask the shared limiter once for all who wait for this bundle."""
        bundle.waiting += 1
        try:
            if bundle.asking is None or bundle.asking.get_loop() is not asyncio.get_running_loop():
                bundle.asking = asyncio.ensure_future(self._lease(bundle, permits))
                bundle.asking.add_done_callback(lambda task: _asked(bundle, task))
            await asyncio.shield(bundle.asking)
        finally:
            bundle.waiting -= 1

    async def _lease(self, bundle: Bundle, permits: Sequence[Permit]) -> None:
        await asyncio.sleep(0)  # whoever comes in the same turn of the loop is counted too
        sent = self._monotonic()
        self.asked += 1
        granted, decisions = await self._shared.lease(permits, self._size(bundle, permits, sent))
        bundle.decisions, bundle.since = decisions, sent
        if granted:
            bundle.left = granted
            bundle.until = sent + min(decision.reset_after for decision in decisions)
            bundle.refused_until = 0.0
        else:
            bundle.left, bundle.until = 0, 0.0
            bundle.refused_until = sent + max(said.reset_after for said in decisions if not said.allowed)

    def _size(self, bundle: Bundle, permits: Sequence[Permit], now: float) -> int:
        """Enough for those who wait; more, for those who will come, while the limit is far."""
        elapsed = now - bundle.since
        if elapsed > 0:
            bundle.rate = 0.5 * bundle.rate + 0.5 * bundle.spent / elapsed if elapsed < 2 else bundle.spent / elapsed
        bundle.spent = 0
        costs = [permit.cost for permit in permits for _ in permit.policy.quotas]
        room = min((said.remaining // cost for said, cost in zip(bundle.decisions, costs, strict=False)), default=0)
        return max(1, bundle.waiting, min(int(bundle.rate * AHEAD), room // SHARE))


def _asked(bundle: Bundle, task: asyncio.Task[None]) -> None:
    bundle.asking = None
    if not task.cancelled():
        task.exception()  # whoever waits has it too


def _in_order(permits: Sequence[Permit], groups: Groups, decisions: list[Decision]) -> list[Decision]:
    """The decisions, which come partition by partition, in the order of the permits and their quotas."""
    if len(groups) == 1:
        return decisions
    answers = iter(decisions)
    rows = {group[0].partition: iter([next(answers) for permit in group for _ in permit.policy.quotas]) for _, group in groups}
    return [next(rows[permit.partition]) for permit in permits for _ in permit.policy.quotas]
