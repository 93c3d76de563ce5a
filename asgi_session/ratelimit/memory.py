"""Counts in this process: for one process alone, for budgets that must cost no I/O, and while Redis is away.

State: one table a policy, of the partitions that were used last. Only the event loop's thread touches it, and a decision
has no await in it, so it is atomic. It starts no thread, task or timer, and never walks over a table: each decision
drops up to two partitions whose counts are over from the idle end, so tables shrink as fast as they may grow. When a
table is full, the partition that was idle longest is forgotten, and with it what it used: memory is bounded (RL-16).
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from asgi_session.clock import SYSTEM_CLOCK, Clock
from asgi_session.ratelimit.base import Decision, Grant, Permit, QuotaPolicy, Said
from asgi_session.ratelimit.windows import HitLog, SlidingCounter

_DROPS = 2
"""More than the one partition that a decision can add."""
_REST = 1000
"""Milliseconds between two looks at a table whose longest idle partition still counts."""

Row = tuple[SlidingCounter, ...] | tuple[HitLog, ...]
"""A partition's counters, one for each quota of the policy."""


class _Table:
    """The rows of one policy's partitions, the longest idle first."""

    __slots__ = ("_counter", "_look_at", "_most", "_policy", "rows")

    def __init__(self, policy: QuotaPolicy, most: int) -> None:
        self._policy = policy
        self._counter = HitLog if policy.strategy == "moving" else SlidingCounter
        self._most = most
        self._look_at = 0
        self.rows: OrderedDict[str, Row] = OrderedDict()

    def find(self, partition: str, now: int) -> Row:
        """A partition's row; fresh, and not yet kept, where it has no counts."""
        if now >= self._look_at:
            self._drop_idle(now)
        row = self.rows.get(partition)
        if row is None:
            return tuple([self._counter(quota) for quota in self._policy.quotas])  # type: ignore[return-value]
        self.rows.move_to_end(partition)
        return row

    def keep(self, partition: str, row: Row) -> None:
        """Remember a row that counts now."""
        rows = self.rows
        if partition not in rows:
            rows[partition] = row
            if len(rows) > self._most:
                rows.popitem(last=False)

    def _drop_idle(self, now: int) -> None:
        """Forget what no longer counts, a few partitions a time; look again later where nothing is over."""
        for _ in range(_DROPS):
            oldest = next(iter(self.rows), None)
            if oldest is None or not all(counter.over(now) for counter in self.rows[oldest]):
                self._look_at = now + _REST
                return
            del self.rows[oldest]


class MemoryRateLimiter:
    """A ``RateLimiter`` whose counts live and die with the process. All permits of a call are one atomic step."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK, max_partitions: int = 100_000) -> None:
        self._monotonic = clock.monotonic
        self._max_partitions = max_partitions
        """For each policy."""
        self._tables: dict[str, _Table] = {}

    def __len__(self) -> int:
        """How many partitions have counts, over all policies."""
        return sum(len(table.rows) for table in self._tables.values())

    def decide(self, permits: Sequence[Permit], *, consume: bool = True) -> list[Decision]:
        """``acquire`` without the coroutine; ``consume=False``: nothing is counted."""
        now = int(self._monotonic() * 1000)
        rows: list[tuple[_Table, Row]] = []
        rooms: list[int] = []
        for policy, partition, cost, _ in permits:
            table = self._tables.get(policy.key) or self._add_table(policy)
            row = table.find(partition, now)
            rows.append((table, row))
            for counter in row:
                room = counter.quota.limit - counter.used(now)
                rooms.append(room)
                if room < cost:
                    consume = False
        room_of_next = iter(rooms)
        decisions: list[Decision] = []
        for (_, partition, cost, wanted), (table, row) in zip(permits, rows, strict=True):
            units = cost if consume and wanted else 0
            if units:
                table.keep(partition, row)
            for counter in row:
                room = next(room_of_next)
                if room < cost:
                    decisions.append(Decision(counter.quota, False, max(room, 0), counter.wait(now, cost) / 1000))
                    continue
                if units:
                    counter.add(now, units)
                decisions.append(Decision(counter.quota, True, room - units, counter.reset_in(now) / 1000))
        return decisions

    def learn(self, said: Said) -> None:
        """Count at least what was used when another limiter said this; where it refused, in the window that ended then."""
        (policy, partition, _, _), at, decisions = said
        now = int(self._monotonic() * 1000)
        table = self._tables.get(policy.key) or self._add_table(policy)
        row = table.find(partition, now)
        counters: Iterable[SlidingCounter | HitLog] = row
        for counter, decision in zip(counters, decisions, strict=True):
            used = decision.limit - decision.remaining
            if isinstance(counter, SlidingCounter):
                passed = decision.window - (decision.reset_after if decision.allowed else 0.0)
                counter.learn(now, int((at - passed) * 1000), used)
            else:
                counter.learn(now, int(at * 1000), used)
        table.keep(partition, row)

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none."""
        return self.decide(permits)

    async def lease(self, permits: Sequence[Permit], most: int) -> Grant:
        """Take the permits of one partition as many times as there is room, ``most`` at most."""
        looks = self.decide(permits, consume=False)
        costs = [permit.cost for permit in permits for _ in permit.policy.quotas]
        times = min(most, *(look.remaining // cost for look, cost in zip(looks, costs, strict=True)))
        if times < 1 or not all(look.allowed for look in looks):
            return Grant(0, looks, _next_in(looks))
        decisions = self.decide([permit._replace(cost=permit.cost * times) for permit in permits])
        return Grant(times, decisions, _next_in(self.decide(permits, consume=False)))

    def acquire_now(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none."""
        return self.decide(permits)

    async def start(self) -> None:
        """Nothing to get ready."""

    async def stop(self) -> None:
        """Forget all counts."""
        self._tables.clear()

    def _add_table(self, policy: QuotaPolicy) -> _Table:
        table = self._tables[policy.key] = _Table(policy, self._max_partitions)
        return table


def _next_in(looks: Sequence[Decision]) -> float:
    """Seconds until all of these have room."""
    return max((look.reset_after for look in looks if not look.allowed), default=0.0)
