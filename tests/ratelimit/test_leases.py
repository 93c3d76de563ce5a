"""Leases: never more than the limit over all processes, few trips, and what is told stays true."""

import asyncio
import copy
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_session.exceptions import StoreUnavailable
from asgi_session.ratelimit import leases
from asgi_session.ratelimit.base import Decision, Grant, Permit, Permits, admitted, named
from asgi_session.ratelimit.fallback import FallbackRateLimiter
from asgi_session.ratelimit.headers import quota_headers, retry_after
from asgi_session.ratelimit.leases import LeasedRateLimiter
from asgi_session.ratelimit.memory import MemoryRateLimiter
from asgi_session.ratelimit.rules import FailureBudget
from asgi_session.redis import RedisClient
from tests.ratelimit.parts import EPOCH, StoppedClock, TimedRedisRateLimiter, look, permit
from tests.ratelimit.test_windows import Hit, LimitsOnFakeRedis, limits_of_one_window, timelines, without_exact_expiry
from tests.services.redis import RedisServer
from tests.support.examples import examples

SERVICES = [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]
MIDDLE = EPOCH + 0.0005
"""In the middle of a millisecond, so that no rounding decides."""


class Distant(MemoryRateLimiter):
    """A shared limiter that is asked through a network: time passes on the way there and on the way back.

    It has to be awaited, remembers the grid of windows and what it granted, and can be made to wait or to fail.
    """

    def __init__(self, clock: StoppedClock) -> None:
        super().__init__(clock=clock)
        self.clock = clock
        self.way = 0.0
        """Seconds there, and as many back."""
        self.asked: list[int] = []
        """How many uses were asked for, each time."""
        self.granted = 0
        self.ends: dict[str, set[int]] = {}
        """For each quota, the last milliseconds of the windows in which something was granted."""
        self.open = asyncio.Event()
        self.open.set()
        self.failure: BaseException | None = None

    def acquire_now(self, permits: Sequence[Permit]) -> None:  # type: ignore[override]
        """Has to be awaited, as Redis has."""

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Where nothing can be leased."""
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return await super().acquire(permits)

    async def lease(self, permits: Sequence[Permit], most: int) -> Grant:
        """Counts."""
        self.asked.append(most)
        await self.open.wait()
        self.clock.advance(self.way)
        if self.failure is not None:
            raise self.failure
        grant = await super().lease(permits, most)
        self.granted += grant.uses
        if grant.uses:
            for decision in grant.decisions:
                self.ends.setdefault(decision.name, set()).add(milliseconds(self.clock) + round(decision.reset_after * 1000))
        self.clock.advance(self.way)
        return grant

    def has_room(self, wish: Permit, *, after: float) -> bool:
        """Whether it would admit a request, if until then none came."""
        later = MemoryRateLimiter(clock=StoppedClock(self.clock.seconds + after))
        later._tables = copy.deepcopy(self._tables)
        return admitted(later.decide([wish]))


def milliseconds(clock: StoppedClock) -> int:
    """As limiters read the clock."""
    return int(clock.seconds * 1000)


@pytest.fixture
def clock() -> StoppedClock:
    """The time of every limiter of the test."""
    return StoppedClock(MIDDLE)


@pytest.fixture
def shared(clock: StoppedClock) -> Distant:
    """The shared limiter."""
    return Distant(clock)


@pytest.fixture
def limiter(shared: Distant, clock: StoppedClock) -> LeasedRateLimiter:
    """One process's limiter."""
    return LeasedRateLimiter(shared, clock.monotonic)


@pytest.fixture
async def reference(clock: StoppedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LimitsOnFakeRedis]:
    """``limits`` on the test's clock."""
    monkeypatch.setattr(time, "time", clock.now)
    limits = LimitsOnFakeRedis()
    yield limits
    await limits.client.close()


async def use(limiter: LeasedRateLimiter | FallbackRateLimiter, *permits: Permit) -> list[Decision]:
    """As the middleware does it: without waiting where that can be."""
    wish = Permits(permits)
    decisions = limiter.acquire_now(wish)
    return await limiter.acquire(wish) if decisions is None else named(decisions)


async def warm_up(limiter: LeasedRateLimiter, clock: StoppedClock, *permits: Permit, times: int = 30) -> None:
    """Make a key busy: a use each 10 ms."""
    for _ in range(times):
        clock.advance(0.01)
        assert admitted(await use(limiter, *permits))


# Never more than the limit


@examples(80)
@given(
    limit=st.sampled_from(["5/second", "30/2 second", "100/3 second", "20/second; 50/4 second", "3/7 second; 40/9 second"]),
    processes=st.integers(1, 4),
    way=st.sampled_from([0.0, 0.001, 0.04, 0.3]),
    timeline=st.lists(
        st.tuples(st.integers(0, 30) | st.integers(0, 4_000), st.integers(0, 3), st.integers(1, 12), st.integers(1, 3)), max_size=60
    ),
)
async def test_the_limit_holds_over_all_processes(
    limit: str, processes: int, way: float, timeline: list[tuple[int, int, int, int]]
) -> None:
    """In each window of the shared counter no more is admitted than the limit, and its formula holds for each admission."""
    clock = StoppedClock(MIDDLE)
    shared = Distant(clock)
    shared.way = way
    limiters = [LeasedRateLimiter(shared, clock.monotonic) for _ in range(processes)]
    units: dict[str, Counter[int]] = {}

    async def attempt(process: int, cost: int) -> None:
        wish = permit(limit, cost=cost)
        decisions = await use(limiters[process % processes], wish)
        assert all(0 <= decision.remaining <= decision.limit and decision.reset_after >= 0 for decision in decisions)
        if not admitted(decisions):
            return
        now = milliseconds(clock)
        for quota in wish.policy.quotas:
            window = quota.window * 1000
            end = min(end for end in shared.ends[quota.name] if now <= end)
            assert now >= end - window
            used = units.setdefault(quota.name, Counter())
            used[end] += cost
            assert used[end - window] * (end - now) // window + used[end] <= quota.limit

    for pause, process, burst, cost in timeline:
        clock.advance(pause / 1000)
        await asyncio.gather(*(attempt(process + n % 2, cost) for n in range(burst)))


@examples(40, shared_fixtures=True)
@given(limit=limits_of_one_window, timeline=timelines, processes=st.integers(1, 3))
async def test_one_at_a_time_admits_what_limits_admits(
    reference: LimitsOnFakeRedis, clock: StoppedClock, limit: str, timeline: Sequence[Hit], processes: int
) -> None:
    """Where nothing is leased ahead, the processes together give the answers of ``limits``' own sliding window."""
    timeline = without_exact_expiry(timeline, limit)
    clock.seconds = EPOCH
    expected = await reference.admissions(limit, "sliding", timeline, clock)
    clock.seconds = EPOCH
    shared = Distant(clock)
    limiters = [LeasedRateLimiter(shared, clock.monotonic, ahead=0) for _ in range(processes)]
    answers: list[bool] = []
    for number, (pause, cost) in enumerate(timeline):
        clock.advance(pause / 8)
        answers.append(admitted(await use(limiters[number % processes], permit(limit, cost=cost))))
    assert answers == expected
    assert set(shared.asked) <= {1}


async def test_what_an_ended_window_left_is_gone(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """A lease is not spent after its window, and in the end the whole limit is there again."""
    wish = permit("1000/minute")
    await warm_up(limiter, clock, wish)
    held = shared.granted - 30
    assert held > 0
    asked = len(shared.asked)
    clock.advance(60)
    assert admitted(await use(limiter, wish))
    assert len(shared.asked) == asked + 1
    clock.advance(180)
    assert sum([admitted(await use(limiter, wish)) for _ in range(1010)]) == 1000


async def test_a_lease_may_be_spent_until_the_end_of_its_window(
    limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock
) -> None:
    """And not a moment longer, as seen from before the question: the way there is not waited for at the end."""
    wish = permit("1000/minute")
    await use(limiter, wish)
    shared.way = 0.004
    await warm_up(limiter, clock, wish)
    asked = len(shared.asked)
    assert shared.granted > 33
    clock.seconds = MIDDLE + 59.999 - shared.way
    assert admitted(await use(limiter, wish))
    assert len(shared.asked) == asked
    clock.seconds = MIDDLE + 60
    await use(limiter, wish)
    assert len(shared.asked) == asked + 1


async def test_who_comes_now_and_then_needs_few_questions(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """A fiftieth of the limit at a time while it is far: a visitor's requests every few seconds, and a trip for few of them."""
    wish = permit("300/minute")
    for _ in range(60):
        assert admitted(await use(limiter, wish))
        clock.advance(3.0)
    assert shared.asked[:3] == [1, 6, 6]
    assert len(shared.asked) <= 60 / 4


async def test_near_the_limit_one_at_a_time(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """Never more than a tenth of what is left; the last ones one by one, so that no process sits on them."""
    wish, left = permit("200/hour"), 200
    for _ in range(200):
        clock.advance(0.001)
        before = shared.granted
        assert admitted(await use(limiter, wish))
        if shared.granted > before:
            assert shared.granted - before <= max(1, left // 10)
            left = 200 - shared.granted
    assert max(shared.asked) > 10
    assert shared.asked[-18:] == [1] * 18


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("limit", "every", "processes", "cost"),
    [
        ("1000/minute; 10000/day", 30, 1, 1),
        ("1000/minute; 10000/day", 15, 4, 1),
        ("600/minute; 5000/day", 60, 1, 3),
        ("1000/second; 10000/hour", 1, 1, 2),
        ("100/second; 5000/hour", 1, 4, 1),
        ("100/second; 100000/day", 1, 4, 1),
    ],
)
async def test_what_is_lost_at_the_end_of_a_short_window_spares_the_long_one(
    limit: str, every: float, processes: int, cost: int
) -> None:
    """Who stays far below each of several limits is never refused, however often a short window ends over the rest of a lease."""
    clock = StoppedClock(MIDDLE)
    shared = Distant(clock)
    limiters = [LeasedRateLimiter(shared, clock.monotonic) for _ in range(processes)]
    wish = permit(limit, cost=cost)
    for number in range(1, 3000):
        clock.advance(every)
        assert admitted(await use(limiters[number % processes], wish)), f"the request number {number}"


async def test_little_of_a_short_window_is_lost_where_a_key_is_busy(
    limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock
) -> None:
    """A lease is for the rest of the window alone."""
    wish = permit("200/second; 50000/hour")
    spent = 0
    for _ in range(2000):
        clock.advance(0.05 if spent % 3 else 0.03)
        spent += admitted(await use(limiter, wish))
    assert spent == 2000
    assert shared.granted <= 1.05 * spent
    assert len(shared.asked) <= 0.4 * spent


async def test_a_refusal_is_believed_for_two_minutes(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """Counts may go by a failover or an operator's hand: who was locked out for a day is let in again soon."""
    wish = permit("5/day")
    for _ in range(5):
        await use(limiter, wish)
    [refused] = await use(limiter, wish)
    assert refused.reset_after > 86_000
    await shared.stop()  # forgets all counts
    clock.advance(119)
    assert not admitted(await use(limiter, wish))
    clock.advance(1)
    assert admitted(await use(limiter, wish))


@pytest.mark.parametrize(("limit", "cost"), [("1/minute", 1), ("7/minute", 2), ("2/minute; 100/hour", 1)])
async def test_the_last_permit_says_when_the_next_one_comes(
    limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock, limit: str, cost: int
) -> None:
    """Whoever comes after it is refused without a question, until there is room again, and not a moment longer."""
    wish = permit(limit, cost=cost)
    while shared.has_room(wish, after=0):
        assert admitted(await use(limiter, wish))
    asked = len(shared.asked)
    refused = await use(limiter, wish)
    wait = max(decision.reset_after for decision in refused if not decision.allowed)
    assert not shared.has_room(wish, after=wait - 0.001)
    assert shared.has_room(wish, after=wait)
    assert len(shared.asked) == asked
    clock.advance(wait)
    assert admitted(await use(limiter, wish))


async def test_each_quota_of_a_refusal_tells_its_own_wait(shared: Distant, clock: StoppedClock) -> None:
    """Of two that have no room, the one that has some earlier says so, as the shared limiter does."""
    wish = permit("2/second; 2/hour")
    for _ in range(2):
        assert admitted(await shared.acquire([wish]))
    expected = [decision.reset_after for decision in shared.decide([wish])]
    refused = await use(LeasedRateLimiter(shared, clock.monotonic), wish)
    assert [decision.reset_after for decision in refused] == expected
    assert expected[0] < 2 < expected[1]


async def test_a_burst_that_waits_together_is_one_question(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """Fifty requests at once ask for fifty, and get what there is."""
    answers = await asyncio.gather(*(use(limiter, permit("60/hour")) for _ in range(50)))
    assert (shared.asked, sum(map(admitted, answers))) == ([50], 50)
    answers = await asyncio.gather(*(use(limiter, permit("60/hour")) for _ in range(50)))
    assert (shared.asked, sum(map(admitted, answers))) == ([50, 50], 10)


# Refused here, until it resets


async def test_refused_here_until_it_resets(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """A key over its limit costs no trip, and its requests are admitted again at the announced time, not before."""
    wish = permit("3/minute")
    for _ in range(3):
        await use(limiter, wish)
    [refused] = await use(limiter, wish)
    asked = len(shared.asked)
    waited = 0.0
    while not refused.allowed and waited < 60:
        assert refused.remaining == 0
        assert refused.reset_after == pytest.approx(60.001 - waited, abs=0.002)
        clock.advance(1)
        waited += 1
        [refused] = await use(limiter, wish)
    assert len(shared.asked) == asked
    assert not refused.allowed
    clock.advance(0.0011)
    assert admitted(await use(limiter, wish))


@pytest.mark.security("RL-03")
async def test_rl03_a_busy_key_is_told_how_long_it_rests(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """Whoever comes back when he was told is admitted, also where units come free one by one meanwhile."""
    wish = permit("1000/minute")
    rests: set[int] = set()
    while milliseconds(clock) < milliseconds(StoppedClock(MIDDLE)) + 100_000:
        clock.advance(0.01)
        decisions = await use(limiter, wish)
        if not admitted(decisions):
            wait = retry_after(decisions)
            rests.add(wait)
            asked = len(shared.asked)
            clock.advance(decisions[0].reset_after - 0.002)
            assert not admitted(await use(limiter, wish))
            assert len(shared.asked) == asked
            clock.advance(0.003)
            assert admitted(await use(limiter, wish))
    assert 3 in rests


@examples(60)
@given(
    limit=st.sampled_from(["5/second", "40/2 second", "300/3 second", "30/second; 50/4 second"]),
    way=st.sampled_from([0.0, 0.002]),
    cost=st.integers(1, 3),
    timeline=st.lists(st.tuples(st.integers(0, 10) | st.integers(0, 3_000), st.integers(1, 90)), max_size=40),
)
@example(  # a long pause after a rest: what comes free then comes slower than what came free before
    "40/2 second", 0.0, 2, [*[(0, 43)] * 10, *[(74, 90)] * 3, (72, 44), (203, 90), (122, 70), (851, 72), (1766, 18), (797, 3)]
)
async def test_an_announced_wait_is_long_enough(limit: str, way: float, cost: int, timeline: list[tuple[int, int]]) -> None:
    """Busy or not: after the time that a refusal names the shared limiter has room, if nobody else takes it first."""
    clock = StoppedClock(MIDDLE)
    shared = Distant(clock)
    shared.way = way
    limiter = LeasedRateLimiter(shared, clock.monotonic)
    wish = permit(limit, cost=cost)
    for pause, times in timeline:
        clock.advance(pause / 1000)
        for _ in range(times):
            clock.advance(0.001)
            decisions = await use(limiter, wish)
            if not admitted(decisions):
                wait = max(decision.reset_after for decision in decisions if not decision.allowed)
                assert shared.has_room(wish, after=wait)


async def test_a_key_that_is_not_busy_is_admitted_as_soon_as_it_can_be(limiter: LeasedRateLimiter, clock: StoppedClock) -> None:
    """Nobody rests who asks now and then: the sliding window's units are given one by one."""
    wish = permit("2/minute")
    for _ in range(2):
        await use(limiter, wish)
        clock.advance(25)
    [refused] = await use(limiter, wish)
    clock.advance(refused.reset_after)
    assert admitted(await use(limiter, wish))


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("limit", "rate", "seconds"),
    [("1000/minute", 100, 130), ("1000/minute", 1_000, 70), ("10000/second", 100, 20), ("10000/second", 1_000, 10)],
)
async def test_a_busy_key_costs_few_trips(
    limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock, limit: str, rate: int, seconds: int
) -> None:
    """A tenth of a round trip for each admitted request at most; and hardly less is admitted than could be."""
    wish = Permits([permit(limit)])
    clock_of_exact = StoppedClock(MIDDLE)
    exact = MemoryRateLimiter(clock=clock_of_exact)
    admissions = possible = 0
    for _ in range(rate * seconds):
        clock.advance(1 / rate)
        clock_of_exact.seconds = clock.seconds
        decisions = limiter.acquire_now(wish)
        admissions += admitted(await limiter.acquire(wish) if decisions is None else decisions)
        possible += admitted(exact.decide(wish))
    assert limiter.asked == len(shared.asked) <= 0.1 * admissions
    assert 0.95 * possible <= admissions <= possible


# Several rules and partitions; what is never leased


async def test_rules_of_one_partition_are_one_question(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """Together or not at all: what one of them refuses uses up nothing of the others."""
    wishes = permit("3/minute", name="a"), permit("9/minute", name="b")
    answers = [await use(limiter, *wishes) for _ in range(5)]
    assert [admitted(decisions) for decisions in answers] == [True] * 3 + [False] * 2
    assert shared.granted == 3
    assert [(said.name, said.allowed, said.remaining) for said in answers[-1]] == [("a", False, 0), ("b", True, 6)]


async def test_partitions_are_used_together_or_not_at_all(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """The refusal of one is known here: the other one is neither spent nor asked for, and is there for whoever it fits."""
    user, session = permit("2/minute", name="user", partition="u"), permit("900/minute", name="session", partition="s")
    other = permit("500/minute", name="session-too", partition="s")
    for left in (1, 0):
        decisions = await use(limiter, session, user, other)
        assert [(said.name, said.remaining) for said in decisions] == [
            ("session", 898 + left), ("user", left), ("session-too", 498 + left),
        ]  # fmt: skip
    asked, granted = len(shared.asked), shared.granted
    for _ in range(5):
        decisions = await use(limiter, session, user, other)
        assert [(said.name, said.allowed, said.remaining) for said in decisions] == [
            ("session", True, 898), ("user", False, 0), ("session-too", True, 498),
        ]  # fmt: skip
    assert (len(shared.asked), shared.granted) == (asked, granted)
    assert admitted(await use(limiter, session, other))
    assert (len(shared.asked), shared.granted) == (asked, granted)
    clock.advance(decisions[1].reset_after)
    assert admitted(await use(limiter, session, user, other))


async def test_a_refusal_that_is_over_is_not_told_again(limiter: LeasedRateLimiter, clock: StoppedClock) -> None:
    """Where one partition refuses, another one that refused earlier is asked anew before anything is said about it."""
    short, long = permit("1/second", name="short", partition="a"), permit("1/hour", name="long", partition="b")
    await use(limiter, short)
    assert not admitted(await use(limiter, short))
    clock.advance(3)
    assert admitted(await use(limiter, long))
    decisions = await use(limiter, short, long)
    assert [(said.name, said.allowed) for said in decisions] == [("short", True), ("long", False)]


async def test_several_partitions_of_a_busy_key_are_spent_without_waiting(
    limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock
) -> None:
    """Leases for both: no question."""
    both = permit("1000/minute", name="user", partition="u"), permit("1000/minute", name="session", partition="s")
    await warm_up(limiter, clock, *both, times=60)
    assert len(shared.asked) < 40
    assert limiter.acquire_now(Permits((*both, permit("5/minute", name="new", partition="n")))) is None
    assert any(limiter.acquire_now(both) is not None for _ in range(3))


async def test_a_cost_counts_in_full(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """Leases of several units each: never above the limit, what remains counts units, and each cost has its own."""
    wish = permit("1000/minute", cost=7)
    before = 1000
    admissions = 0
    while admitted(decisions := await use(limiter, wish)):
        clock.advance(0.01)
        admissions += 1
        assert decisions[0].remaining == before - 7
        before = decisions[0].remaining
    assert admissions == 142
    assert decisions[0].remaining == 6
    assert max(shared.asked) > 5
    assert admitted(await use(limiter, permit("1000/minute", cost=2)))


@pytest.mark.parametrize(
    "wish",
    [
        permit("100/minute", strategy="moving"),
        permit("100/minute", consume=False),
        FailureBudget("100/minute").charge("p"),
    ],
    ids=["moving", "look", "own"],
)
async def test_what_is_never_leased(clock: StoppedClock, wish: Permit) -> None:
    """The exact log, a look without use, and what a process counts for itself: one at a time, at once where that can be."""
    memory = MemoryRateLimiter(clock=clock)
    limiter = LeasedRateLimiter(memory, clock.monotonic)
    for number in range(1, 100):
        [decision] = limiter.acquire_now([wish]) or []
        assert decision.remaining == (100 - number if wish.consume else 100)
    distant = LeasedRateLimiter(Distant(clock), clock.monotonic)
    for number in range(1, 50):
        [decision] = await use(distant, wish)
        assert decision.remaining == (100 - number if wish.consume else 100)
        assert distant.asked == number


async def test_a_look_counts_what_is_held_as_used(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """And uses nothing up."""
    wish = permit("1000/minute")
    await warm_up(limiter, clock, wish)
    for _ in range(3):
        assert (await look(limiter, [wish]))[0].remaining == 1000 - shared.granted


async def test_what_is_told_stays_true(limiter: LeasedRateLimiter, shared: Distant, clock: StoppedClock) -> None:
    """One client of one process sees the count go down one by one, and the same moment of the reset all the time."""
    shared.way = 0.003
    for number in range(1, 301):
        clock.advance(0.01)
        [decision] = await use(limiter, permit("1000/minute"))
        assert decision.remaining == 1000 - number
        reset_at = clock.seconds + decision.reset_after
        first = MIDDLE + 0.01 + shared.way
        assert first + 60 - 0.001 <= reset_at <= first + 60 + 2 * shared.way
    headers = dict(quota_headers([decision]))
    assert headers[b"ratelimit"].startswith(b'"1000-per-minute-ip";r=700;t=5')


# Going away, failing, starting again


async def test_who_goes_away_while_asking_leaves_it_to_the_others(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """The question goes on, and what was granted for a request that is gone is spent by the next."""
    wish = permit("10/hour")
    shared.open.clear()
    requests = [asyncio.ensure_future(use(limiter, wish)) for _ in range(3)]
    while not shared.asked:
        await asyncio.sleep(0)
    requests[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await requests[0]
    shared.open.set()
    assert all(map(admitted, await asyncio.gather(*requests[1:])))
    assert shared.asked == [3]
    assert admitted(limiter.acquire_now([wish]) or [])
    assert limiter.acquire_now([wish]) is None


async def test_a_question_that_nobody_waits_for_may_fail(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """It is no unheard exception, and the next request asks again."""
    shared.open.clear()
    shared.failure = StoreUnavailable("away")
    request = asyncio.ensure_future(use(limiter, permit("10/hour")))
    while not shared.asked:
        await asyncio.sleep(0)
    request.cancel()
    shared.open.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    shared.failure = None
    assert admitted(await use(limiter, permit("10/hour")))


async def test_a_failure_reaches_all_who_wait(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """Also those that ask for several partitions; afterwards it is asked again."""
    shared.failure = StoreUnavailable("away")
    wishes = permit("10/hour", partition="a"), permit("10/hour", partition="b")
    answers = await asyncio.gather(use(limiter, wishes[0]), use(limiter, wishes[0]), use(limiter, *wishes), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    shared.failure = None
    assert admitted(await use(limiter, *wishes))


def test_another_event_loop_may_go_on(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """What was asked in a loop that is gone is asked again in the next one."""
    wish = permit("10/hour")

    async def leave() -> None:
        shared.open.clear()
        asking = asyncio.ensure_future(use(limiter, wish))
        while not shared.asked:
            await asyncio.sleep(0)
        asking.cancel()

    async def end() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def go_on() -> None:
        asking = asyncio.ensure_future(use(limiter, wish))
        while len(shared.asked) < 2:
            await asyncio.sleep(0)
        await asyncio.to_thread(first.run_until_complete, end())
        others = asyncio.ensure_future(use(limiter, wish))
        await asyncio.sleep(0)
        shared.open.set()
        assert [said.remaining for [said] in await asyncio.gather(asking, others)] == [9, 8]

    first = asyncio.new_event_loop()
    first.run_until_complete(leave())
    shared.open = asyncio.Event()
    asyncio.run(go_on())
    first.close()
    assert shared.asked == [1, 1, 1]


async def test_stop_waits_for_what_is_under_way(limiter: LeasedRateLimiter, shared: Distant) -> None:
    """No question outlives the limiter, nothing is held after it, and who waited has an answer."""
    await limiter.start()
    shared.open.clear()
    request = asyncio.ensure_future(use(limiter, permit("10/hour")))
    while not shared.asked:
        await asyncio.sleep(0)
    stopping = asyncio.ensure_future(limiter.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    shared.open.set()
    await stopping
    assert admitted(await request)
    assert limiter.acquire_now([permit("10/hour")]) is None
    await limiter.stop()


async def test_the_memory_of_bundles_is_bounded(
    limiter: LeasedRateLimiter, shared: Distant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more of them, those that asked longest ago are forgotten; the limit holds for them too."""
    monkeypatch.setattr(leases, "MAX_BUNDLES", 3)
    once = [permit("1/hour", partition=str(number)) for number in range(5)]
    for wish in once:
        assert admitted(await use(limiter, wish))
    for wish in reversed(once):
        assert not admitted(await use(limiter, wish))
    asked = len(shared.asked)
    assert [limiter.acquire_now([wish]) is None for wish in once] == [False, False, True, True, False]
    assert len(shared.asked) == asked


@pytest.mark.parametrize(("step", "most"), [(-3600, 100), (-30, 100), (30, 150), (3600, 200)])
async def test_a_server_whose_clock_is_set(clock: StoppedClock, shared: Distant, step: int, most: int) -> None:
    """A lease ends by the process's own time; a step back gives nobody more, one forth what the time that it skips would."""
    own = StoppedClock(MIDDLE)
    limiter = LeasedRateLimiter(shared, own.monotonic)
    wish = permit("100/minute")

    async def spend(times: int) -> int:
        admissions = 0
        for _ in range(times):
            clock.advance(0.01)
            own.advance(0.01)
            admissions += admitted(await use(limiter, wish))
        return admissions

    admissions = await spend(50)
    assert admissions == 50
    assert shared.granted > 50
    clock.advance(step)
    admissions += await spend(300)
    assert admissions == shared.granted
    assert 100 <= admissions <= most
    clock.advance(130)
    own.advance(130)
    assert await spend(300) == 100


# While the storage is away


def with_fallback(shared: Distant, clock: StoppedClock) -> tuple[FallbackRateLimiter, LeasedRateLimiter]:
    """As the middleware puts them together."""
    leased = LeasedRateLimiter(shared, clock.monotonic)
    return FallbackRateLimiter(leased, MemoryRateLimiter(clock=clock), recall=leased.recall, clock=clock), leased


@pytest.mark.security("RL-14")
@pytest.mark.parametrize("policy", ["local", "open", "closed"])
async def test_rl14_what_is_held_is_spent_and_then_the_rule_decides(clock: StoppedClock, shared: Distant, policy: str) -> None:
    """The storage granted it: an outage takes it from nobody, gives nothing twice, and goes on after it is spent."""
    limiter, leased = with_fallback(shared, clock)
    wish = permit("1000/minute", on_store_error=policy)
    await warm_up(leased, clock, wish)
    held = shared.granted - 30
    shared.failure = StoreUnavailable("away")
    for _ in range(held):
        [decision] = await use(limiter, wish)
        assert (decision.allowed, decision.degraded) == (True, None)
    asked = len(shared.asked)
    for _ in range(5):
        [decision] = await use(limiter, wish)
        assert (decision.allowed, decision.degraded) == (policy != "closed", policy)
    assert len(shared.asked) == asked + 1


UNDER_ONE_LIMIT = [
    pytest.param([permit("100/minute")], id="sliding"),
    pytest.param([permit("100/minute", strategy="moving")], id="moving"),
    pytest.param([permit("100/minute"), permit("500/minute", name="exact", strategy="moving")], id="sliding beside moving"),
]


@pytest.mark.security("RL-14")
@pytest.mark.parametrize("used", [1, 60, 100])
@pytest.mark.parametrize("wish", UNDER_ONE_LIMIT)
async def test_rl14_an_outage_gives_nobody_a_new_limit(clock: StoppedClock, shared: Distant, used: int, wish: list[Permit]) -> None:
    """The process goes on with what the storage said last, so that who was near the limit, or over it, still is."""
    limiter, _ = with_fallback(shared, clock)
    for _ in range(used):
        assert admitted(await use(limiter, *wish))
    shared.failure = StoreUnavailable("away")
    granted = sum([admitted(await use(limiter, *wish)) for _ in range(150)])
    assert granted == 100 - used


@pytest.mark.security("RL-14")
async def test_rl14_an_exact_log_goes_on_for_its_window(clock: StoppedClock, shared: Distant) -> None:
    """What was used before an outage counts for one window from when the storage told it, and then no more."""
    limiter, _ = with_fallback(shared, clock)
    wish = permit("5/minute", strategy="moving")
    for _ in range(3):
        await use(limiter, wish)
    shared.failure = StoreUnavailable("away")
    clock.advance(30)
    assert sum([admitted(await use(limiter, wish)) for _ in range(9)]) == 2
    clock.advance(30.001)
    assert sum([admitted(await use(limiter, wish)) for _ in range(9)]) == 3


async def test_what_was_said_of_unleased_permits_is_bounded(
    clock: StoppedClock, shared: Distant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the bundles are: what was said longest ago is forgotten."""
    monkeypatch.setattr(leases, "MAX_BUNDLES", 3)
    limiter = LeasedRateLimiter(shared, clock.monotonic)
    wishes = [permit("9/hour", strategy="moving", partition=str(number)) for number in range(5)]
    for wish in wishes:
        await use(limiter, wish)
    assert [len(limiter.recall([wish])) for wish in wishes] == [0, 0, 1, 1, 1]
    await limiter.stop()
    assert not limiter.recall(wishes)


@pytest.mark.security("RL-14")
async def test_rl14_what_an_outage_began_with_fades(clock: StoppedClock, shared: Distant) -> None:
    """As it would have in the storage: two windows later, the whole limit is there."""
    limiter, _ = with_fallback(shared, clock)
    wish = permit("100/minute")
    while admitted(await use(limiter, wish)):
        pass
    shared.failure = StoreUnavailable("away")
    clock.advance(90)
    assert 40 <= sum([admitted(await use(limiter, wish)) for _ in range(150)]) <= 100
    clock.advance(120)
    assert sum([admitted(await use(limiter, wish)) for _ in range(150)]) == 100


@pytest.mark.security("RL-14")
async def test_rl14_spending_a_lease_is_no_sign_of_life(clock: StoppedClock, shared: Distant) -> None:
    """An outage ends when the storage has answered, and not because another key had something left."""
    limiter, leased = with_fallback(shared, clock)
    rich, poor = permit("1000/minute", partition="rich"), permit("1000/minute", partition="poor")
    await warm_up(leased, clock, rich)
    shared.failure = StoreUnavailable("away")
    await use(limiter, poor)
    assert limiter.degraded
    [decision] = await use(limiter, rich)
    assert decision.degraded == "local"  # while the storage is left alone, nobody tells keys apart
    clock.advance(1.001)
    for ask in (limiter.acquire, lambda wish: use(limiter, *wish)):
        assert (await ask([rich]))[0].degraded is None
        assert limiter.degraded
    shared.failure = None
    assert (await use(limiter, poor))[0].degraded is None
    assert not limiter.degraded


async def test_a_refusal_that_is_known_needs_no_storage(clock: StoppedClock, shared: Distant) -> None:
    """Also beside a budget of the process's own, which such a request does not use up."""
    limiter, _ = with_fallback(shared, clock)
    wish, own = permit("1/hour"), FailureBudget("5/hour").charge("p")
    await use(limiter, wish)
    assert not admitted(await use(limiter, wish))
    asked = len(shared.asked)
    shared.failure = StoreUnavailable("away")
    decisions = await use(limiter, wish, own)
    assert [(said.name, said.allowed, said.degraded) for said in decisions] == [
        ("1-per-hour-ip", False, None), ("failed-credentials", True, None),
    ]  # fmt: skip
    assert (await look(limiter, [own]))[0].remaining == 5
    assert len(shared.asked) == asked


async def test_a_budget_of_the_process_and_a_lease(clock: StoppedClock, shared: Distant) -> None:
    """A client that failed is tested here, and its request spends what is held without asking."""
    limiter, leased = with_fallback(shared, clock)
    wish, budget = permit("1000/minute"), FailureBudget("2/minute")
    await warm_up(leased, clock, wish)
    asked = len(shared.asked)
    assert [said.remaining for said in await use(limiter, wish, budget.test("p"))] == [969, 2]
    for _ in range(2):
        await use(limiter, budget.charge("p"))
    [refused] = await use(limiter, wish, budget.test("p"))
    assert (refused.name, refused.allowed) == ("failed-credentials", False)
    assert (await use(limiter, wish))[0].remaining == 968
    assert len(shared.asked) == asked


# On real servers


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisClient]:
    """A client of the run's Redis."""
    client = RedisClient(redis_url)
    yield client
    await client.close()


async def test_trips_on_redis(client: RedisClient, redis_server: RedisServer, namespace: str, clock: StoppedClock) -> None:
    """The server sees one script for each question: two partitions together are two commands, a held key and a refused none."""
    limiter = LeasedRateLimiter(TimedRedisRateLimiter(client, clock, namespace), clock.monotonic)
    wish = permit("1000/minute")
    await warm_up(limiter, clock, wish)
    asked = limiter.asked
    with redis_server.traffic() as traffic:
        for _ in range(500):
            clock.advance(0.01)
            assert admitted(await use(limiter, wish))
    assert traffic.commands["evalsha"] == limiter.asked - asked <= 25
    other = permit("1/hour", partition="q")
    await use(limiter, other)
    assert not admitted(await use(limiter, other))
    with redis_server.traffic() as traffic:
        for _ in range(20):
            assert not admitted(await use(limiter, other))
    assert not traffic.commands


SPEND_IN_ANOTHER_PROCESS = """
import asyncio, json, sys
from asgi_session.ratelimit.base import Permit, Permits, admitted
from asgi_session.ratelimit.leases import LeasedRateLimiter
from asgi_session.ratelimit.redis import RedisRateLimiter
from asgi_session.ratelimit.rules import RateLimit
from asgi_session.redis import RedisClient

async def use(limiter, wish):
    decisions = limiter.acquire_now(wish)
    return admitted(await limiter.acquire(wish) if decisions is None else decisions)

async def main(url, namespace, limit, bursts, size):
    client = RedisClient(url)
    limiter = LeasedRateLimiter(RedisRateLimiter(client, namespace=namespace))
    wish = Permits([Permit(RateLimit(limit).policy, "p")])
    await limiter.acquire([permit._replace(consume=False) for permit in wish])
    print("ready", flush=True)
    sys.stdin.readline()
    admissions = 0
    for _ in range(int(bursts)):
        admissions += sum(await asyncio.gather(*(use(limiter, wish) for _ in range(int(size)))))
    print(json.dumps([admissions, limiter.asked]), flush=True)
    await client.close()

asyncio.run(main(*sys.argv[1:]))
"""


def spent_by_processes(url: str, namespace: str, limit: str, bursts: int, size: int) -> tuple[int, int]:
    """How many requests four processes that begin at once admit in all, and how often they ask."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SPEND_IN_ANOTHER_PROCESS, url, namespace, limit, str(bursts), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
    return sum(admissions for admissions, _ in answers), sum(asked for _, asked in answers)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("limit", "bursts", "size", "fewest", "most"),
    [("5/hour", 1, 50, 5, 5), ("5/hour", 20, 1, 5, 5), ("100/hour", 8, 10, 90, 100), ("10000/hour", 40, 100, 9_000, 10_000)],
)
@pytest.mark.security("RL-06")
def test_rl06_four_processes_together(
    request: pytest.FixtureRequest, namespace: str, service: str, limit: str, bursts: int, size: int, fewest: int, most: int
) -> None:
    """All at once or in bursts: never more than the limit, and hardly less, for few trips."""
    admissions, asked = spent_by_processes(request.getfixturevalue(service), namespace, limit, bursts, size)
    assert fewest <= admissions <= most
    assert asked <= 4 * (2 * bursts + 2)
