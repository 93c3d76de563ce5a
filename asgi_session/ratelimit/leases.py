"""Permits leased in batches, spent without a word to anybody: a busy key costs far less than one round trip a request.

A lease is the right to use one *bundle* (the permits that one partition asks for together) a number of times. The shared limiter
has counted it as used when it is granted, so however many processes hold leases, no quota is ever exceeded. What a lease costs is
at the other end: units that are not spent before the window in which they were counted ends are lost. So

* a lease is spent before the end of that window, as the shared limiter saw it when it was asked, or not at all;
* it is as large as what the process was asked for in the last second, a fiftieth of what a window allows at least, and never more
  than a tenth of what is left: near the limit, permits are asked for one at a time;
* a bundle that was refused, or got the last that there was, is refused here, without asking, until there can be room again, or for
  two minutes;
* a look without use, the exact log (``"moving"``: its promise is about each single moment), and what each process counts for
  itself are never leased.

State: the bundles, which belong to the event loop's thread. Reading what is left and taking it happens without an await between.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from asgi_session.clock import SYSTEM_CLOCK
from asgi_session.ratelimit.base import Decision, Grant, Groups, Permit, Permits, RateLimiter, Said, Told, named
from asgi_session.ratelimit.bundle import Bundle

AHEAD = 1.0
"""Seconds of the demand so far for which permits are leased."""
MAX_BUNDLES = 20_000
"""Bundles that are remembered, and as many answers where nothing is leased; what those hold that asked longest ago is lost."""


class Leasing(RateLimiter, Protocol):
    """A limiter that can grant a bundle several times at once."""

    async def lease(self, permits: Sequence[Permit], most: int) -> Grant:
        """Take the permits of one partition as many times as there is room, ``most`` at most."""
        ...


class LeasedRateLimiter:
    """A ``RateLimiter`` that spends what a shared one granted."""

    def __init__(self, shared: Leasing, monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic, *, ahead: float = AHEAD) -> None:
        self._shared = shared
        self._monotonic = monotonic
        self._ahead = ahead
        """Seconds; 0: nothing is asked for but what is spent at once."""
        self._bundles: OrderedDict[str, Bundle] = OrderedDict()
        self._unleased: OrderedDict[tuple[str, str], Said] = OrderedDict()
        """By policy and partition, what the shared limiter said last where nothing could be leased."""
        self.asked = 0
        """How often the shared limiter was asked."""

    def acquire_now(self, permits: Sequence[Permit]) -> Sequence[Told] | None:
        """Spend what is held, or refuse what is known to be refused; None where the shared limiter has to be asked."""
        groups = permits.groups if type(permits) is Permits else Permits(permits).groups
        if groups is None:
            return self._shared.acquire_now(permits)
        if len(groups) == 1:  # the usual case
            bundle = self._bundles.get(groups[0][0])
            return None if bundle is None else bundle.use(self._monotonic())
        bundles: list[Bundle] = []
        for name, _ in groups:
            bundle = self._bundles.get(name)
            if bundle is None:
                return None
            bundles.append(bundle)
        decisions = _use_all(bundles, self._monotonic())
        return None if decisions is None else _in_order(permits, groups, decisions)

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none."""
        groups = permits.groups if isinstance(permits, Permits) else Permits(permits).groups
        if groups is None:
            self.asked += 1
            answer = await self._shared.acquire(permits)
            self._note(permits, answer)
            return answer
        bundles = [self._bundle(name, wanted) for name, wanted in groups]
        while True:
            now = self._monotonic()
            decisions = _use_all(bundles, now)
            if decisions is not None:
                return named(_in_order(permits, groups, decisions))
            missing = [bundle for bundle in bundles if not (bundle.holds(now) or bundle.refuses(now))]
            await asyncio.gather(*map(self._ask, missing))  # in one turn of the loop, so in one trip

    def recall(self, permits: Sequence[Permit]) -> list[Said]:
        """What the shared limiter said last about these, as far as it did."""
        now = self._monotonic()
        groups = (permits if isinstance(permits, Permits) else Permits(permits)).groups or ()
        bundles = [self._bundles[name] for name, _ in groups if name in self._bundles]
        unleased = [self._unleased.get((permit.policy.key, permit.partition)) for permit in permits]
        return [said for bundle in bundles for said in bundle.recall(now)] + [said for said in unleased if said is not None]

    async def start(self) -> None:
        """Start the shared one."""
        await self._shared.start()

    async def stop(self) -> None:
        """Forget what is held, and stop the shared one."""
        asking = [bundle.asking for bundle in self._bundles.values() if bundle.asking is not None]
        self._bundles.clear()
        self._unleased.clear()
        mine = [task for task in asking if task.get_loop() is asyncio.get_running_loop()]
        if mine:
            await asyncio.wait(mine)
        await self._shared.stop()

    def _note(self, permits: Sequence[Permit], decisions: Sequence[Decision]) -> None:
        now, rest = self._monotonic(), iter(decisions)
        for permit in permits:
            name = permit.policy.key, permit.partition
            self._unleased[name] = Said(permit, now, [next(rest) for _ in permit.policy.quotas])
            self._unleased.move_to_end(name)
        while len(self._unleased) > MAX_BUNDLES:
            self._unleased.popitem(last=False)

    def _bundle(self, name: str, permits: Sequence[Permit]) -> Bundle:
        bundle = self._bundles.get(name)
        if bundle is None:
            bundle = self._bundles[name] = Bundle(permits, self._monotonic())
            if len(self._bundles) > MAX_BUNDLES:
                self._bundles.popitem(last=False)
        else:
            self._bundles.move_to_end(name)
        return bundle

    async def _ask(self, bundle: Bundle) -> None:
        """Ask the shared limiter once for all who wait for this bundle; it goes on when one of them goes away."""
        bundle.waiting += 1
        try:
            if bundle.asking is None or bundle.asking.get_loop() is not asyncio.get_running_loop():
                bundle.asking = asyncio.ensure_future(self._lease(bundle))
                bundle.asking.add_done_callback(bundle.heed)
            await asyncio.shield(bundle.asking)
        finally:
            bundle.waiting -= 1

    async def _lease(self, bundle: Bundle) -> None:
        await asyncio.sleep(0)  # whoever comes in the same turn of the loop is counted too
        sent = self._monotonic()
        self.asked += 1
        size = bundle.size(sent, self._ahead) if self._ahead else max(1, bundle.waiting)
        grant = await self._shared.lease(bundle.permits, size)
        bundle.take(grant, sent, self._monotonic())


def _use_all(bundles: Sequence[Bundle], now: float) -> list[Told] | None:
    """One use of each bundle, or of none where one of them is known to be refused; None where it takes asking to say."""
    admits = all(bundle.holds(now) for bundle in bundles)
    if not admits and not (any(bundle.refuses(now) for bundle in bundles) and all(bundle.is_known(now) for bundle in bundles)):
        return None
    answers = [bundle.use(now) if admits or bundle.refuses(now) else bundle.said(now) for bundle in bundles]
    return [decision for answer in answers for decision in answer or ()]


def _in_order(permits: Sequence[Permit], groups: Groups, decisions: list[Told]) -> list[Told]:
    """The decisions, which come partition by partition, in the order of the permits and their quotas."""
    if len(groups) == 1:
        return decisions
    answers = iter(decisions)
    rows = {group[0].partition: iter([next(answers) for permit in group for _ in permit.policy.quotas]) for _, group in groups}
    return [next(rows[permit.partition]) for permit in permits for _ in permit.policy.quotas]
