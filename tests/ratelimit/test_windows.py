"""The engine against ``limits`` itself: the same hits at the same times get the same answers.

``limits`` runs its own strategies with its own Lua on fakeredis, whose time is the test's. Times are multiples of 1/8 s,
so that no rounding of its floats decides. One millisecond is left out: exactly two windows after a window's start, ``limits``
counts its hits in full once more, since its key is still there; the package, like the formula, counts none of them.
"""

import copy
import itertools
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse_many
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from limits.aio.strategies import RateLimiter as Strategy

from asgi_session.ratelimit.base import RateLimiter, admitted
from asgi_session.ratelimit.memory import MemoryRateLimiter
from tests.ratelimit.parts import EPOCH, FakeRedisClient, StoppedClock, TimedRedisRateLimiter, permit
from tests.support.examples import examples

STRATEGIES: dict[str, type[Strategy]] = {"sliding": SlidingWindowCounterRateLimiter, "moving": MovingWindowRateLimiter}

Hit = tuple[int, int]
"""Eighths of a second since the hit before, and the cost."""

hits = st.tuples(st.integers(0, 15) | st.integers(0, 300), st.integers(1, 4))
timelines = st.lists(hits, min_size=1, max_size=60)
limits_of_one_window = st.builds("{}/{} second".format, st.integers(1, 12), st.integers(1, 12))


class LimitsOnFakeRedis:
    """``limits``' strategies on ``limits``' Redis storage, without a server."""

    def __init__(self) -> None:
        self.client = FakeRedisClient()

    async def admissions(self, limit: str, strategy: str, timeline: Sequence[Hit], clock: StoppedClock) -> list[bool]:
        """Which hits are admitted; with several windows, as the package does it: none is counted unless all have room."""
        await self.client.redis.flushall()
        storage = RedisStorage(
            "async+redis://127.0.0.1:6379",
            implementation="redispy",
            connection_pool=self.client.redis.connection_pool,  # type: ignore[arg-type]
        )
        engine = STRATEGIES[strategy](storage)
        items = parse_many(limit)
        answers: list[bool] = []
        for pause, cost in timeline:
            clock.advance(pause / 8)
            fits = all([await engine.test(item, "p", cost=cost) for item in items])
            answers.append(fits and all([await engine.hit(item, "p", cost=cost) for item in items]))
        return answers


def without_exact_expiry(timeline: Sequence[Hit], limit: str) -> list[Hit]:
    """The timeline without hits that come exactly two or more whole windows after an earlier one."""
    windows = [item.get_expiry() * 8 for item in parse_many(limit)]
    times: list[int] = []
    hits: list[Hit] = []
    for at, (_, cost) in zip(itertools.accumulate(pause for pause, _ in timeline), timeline, strict=True):
        if not any((at - earlier) % window == 0 and at - earlier >= 2 * window for earlier in times for window in windows):
            hits.append((at - (times[-1] if times else 0), cost))
            times.append(at)
    return hits


async def admissions_of(
    limiter: RateLimiter, limit: str, strategy: str, timeline: Sequence[Hit], clock: StoppedClock
) -> list[bool]:
    """Which hits one of the package's limiters admits."""
    answers: list[bool] = []
    for pause, cost in timeline:
        clock.advance(pause / 8)
        answers.append(admitted(await limiter.acquire([permit(limit, strategy=strategy, cost=cost)])))
    return answers


@pytest.fixture
async def reference(clock: StoppedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LimitsOnFakeRedis]:
    """``limits``, with ``time.time`` and so fakeredis on the test's clock."""
    monkeypatch.setattr(time, "time", clock.now)
    limits = LimitsOnFakeRedis()
    yield limits
    await limits.client.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(60, shared_fixtures=True)
@given(limit=limits_of_one_window, timeline=timelines)
async def test_memory_admits_what_limits_admits(
    reference: LimitsOnFakeRedis, clock: StoppedClock, strategy: str, limit: str, timeline: Sequence[Hit]
) -> None:
    """The memory limiter gives the answers of ``limits`` on Redis."""
    timeline = without_exact_expiry(timeline, limit)
    clock.seconds = EPOCH
    expected = await reference.admissions(limit, strategy, timeline, clock)
    clock.seconds = EPOCH
    assert await admissions_of(MemoryRateLimiter(clock=clock), limit, strategy, timeline, clock) == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(40, shared_fixtures=True)
@given(limit=limits_of_one_window, timeline=timelines)
async def test_script_admits_what_limits_admits(
    reference: LimitsOnFakeRedis,
    fake_client: FakeRedisClient,
    clock: StoppedClock,
    strategy: str,
    limit: str,
    timeline: Sequence[Hit],
) -> None:
    """The Redis script gives the answers of ``limits``' own scripts."""
    timeline = without_exact_expiry(timeline, limit)
    clock.seconds = EPOCH
    expected = await reference.admissions(limit, strategy, timeline, clock)
    clock.seconds = EPOCH
    await fake_client.redis.flushall()
    limiter = TimedRedisRateLimiter(fake_client, clock)
    assert await admissions_of(limiter, limit, strategy, timeline, clock) == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(40, shared_fixtures=True)
@given(first=st.integers(1, 5), more=st.integers(0, 10), timeline=timelines)
async def test_several_windows_admit_what_limits_admits(
    reference: LimitsOnFakeRedis, clock: StoppedClock, strategy: str, first: int, more: int, timeline: Sequence[Hit]
) -> None:
    """Two windows of one rule give the answers of ``limits`` asked for both before either is counted."""
    limit = f"{first}/2 second; {first + more}/9 second"
    timeline = without_exact_expiry(timeline, limit)
    clock.seconds = EPOCH
    expected = await reference.admissions(limit, strategy, timeline, clock)
    clock.seconds = EPOCH
    assert await admissions_of(MemoryRateLimiter(clock=clock), limit, strategy, timeline, clock) == expected


@examples(60, shared_fixtures=True)
@given(
    limits=st.lists(st.sampled_from(["3/2 second", "5/3 second; 8/10 second", "1/second", "20/minute"]), min_size=1, max_size=3),
    strategy=st.sampled_from(["sliding", "moving"]),
    timeline=st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 3), st.booleans()), max_size=40),
)
async def test_memory_and_script_decide_alike(
    fake_client: FakeRedisClient, limits: list[str], strategy: str, timeline: list[tuple[int, int, bool]]
) -> None:
    """Whole decisions are equal, to the millisecond, for several rules, at any times."""
    await fake_client.redis.flushall()
    clock = StoppedClock()
    memory, redis = MemoryRateLimiter(clock=clock), TimedRedisRateLimiter(fake_client, clock)
    for milliseconds, cost, consume in timeline:
        clock.advance(milliseconds / 1000)
        wishes = [
            permit(limit, name=f"rule-{number}", strategy=strategy, cost=cost, consume=consume)
            for number, limit in enumerate(limits)
        ]
        assert await memory.acquire(wishes) == await redis.acquire(wishes)


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(200)
@given(limit=st.integers(4, 12), timeline=st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 4)), max_size=40))
async def test_announced_wait_is_exact(strategy: str, limit: int, timeline: list[tuple[int, int]]) -> None:
    """Whenever a request is refused, it fits after the announced milliseconds, and not one of them earlier."""
    clock = StoppedClock(EPOCH + 0.0005)  # in the middle of a millisecond, so that no rounding decides
    limiter = MemoryRateLimiter(clock=clock)
    for milliseconds, cost in timeline:
        clock.advance(milliseconds / 1000)
        wish = permit(f"{limit}/7 second", strategy=strategy, cost=cost)
        [decision] = await limiter.acquire([wish])
        if not decision.allowed:
            refused_at = clock.seconds
            clock.advance(decision.reset_after - 0.001)
            assert not admitted(copy.deepcopy(limiter).decide([wish], consume=False))
            clock.seconds = refused_at
            clock.advance(decision.reset_after)
            assert admitted(limiter.decide([wish], consume=False))


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(200)
@given(limit=st.integers(1, 9), timeline=st.lists(st.integers(0, 4_000), min_size=1, max_size=80))
async def test_bound_of_each_strategy(strategy: str, limit: int, timeline: list[int]) -> None:
    """In any window the log holds at most the limit, and the counter less than twice the limit and never a double burst."""
    clock = StoppedClock()
    limiter = MemoryRateLimiter(clock=clock)
    wish = permit(f"{limit}/10 second", strategy=strategy)
    admissions: list[int] = []
    for pause in timeline:
        clock.advance(pause / 1000)
        if admitted(await limiter.acquire([wish])):
            admissions.append(round(clock.seconds * 1000))
    window = 10_000
    most = limit if strategy == "moving" else 2 * limit
    for first in admissions:
        assert sum(first <= hit < first + window for hit in admissions) <= most
    grid = admissions[0]
    per_cell = [max(0, hit - grid - 1) // window for hit in admissions] if strategy == "sliding" else []
    assert all(per_cell.count(cell) <= limit for cell in per_cell if _unbroken(admissions, window))


def _unbroken(admissions: list[int], window: int) -> bool:
    """Whether hits came often enough for the grid of the first one to go on."""
    return all(later - earlier < window for earlier, later in itertools.pairwise(admissions))


@pytest.mark.security("RL-12")
async def test_rl12_limits_itself_takes_negative_costs(reference: LimitsOnFakeRedis, clock: StoppedClock) -> None:
    """Why the package checks costs: ``limits`` admits a negative one."""
    assert await reference.admissions("5/minute", "sliding", [(0, -5)], clock) == [True]
