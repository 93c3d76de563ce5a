"""What happens while the shared storage is away: by each rule's own word, and quickly."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.ratelimit.base import Decision, Permit, admitted
from asgi_session.ratelimit.fallback import FallbackRateLimiter
from asgi_session.ratelimit.memory import MemoryRateLimiter
from asgi_session.ratelimit.redis import RedisRateLimiter
from asgi_session.ratelimit.rules import FailureBudget
from asgi_session.redis import RedisClient
from tests.ratelimit.parts import StoppedClock, look, permit
from tests.services.redis import RedisServer


class BreakableRateLimiter(MemoryRateLimiter):
    """A shared limiter that a test can break."""

    def __init__(self, clock: StoppedClock) -> None:
        super().__init__(clock=clock)
        self.failure: BaseException | None = None
        self.silent = False
        self.answers = asyncio.Event()
        """Ends the silence."""
        self.calls = 0
        self.running = False

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Counts, fails, or never answers."""
        self.calls += 1
        if self.silent:
            await self.answers.wait()
        if self.failure is not None:
            raise self.failure
        return await super().acquire(permits)

    def acquire_now(self, permits: Sequence[Permit]) -> None:  # type: ignore[override]
        """Has to be awaited, as Redis has."""

    async def start(self) -> None:
        """Starts."""
        self.running = True

    async def stop(self) -> None:
        """Stops."""
        self.running = False


@pytest.fixture
def shared(clock: StoppedClock) -> BreakableRateLimiter:
    """The shared storage."""
    return BreakableRateLimiter(clock)


@pytest.fixture
def limiter(shared: BreakableRateLimiter, clock: StoppedClock) -> FallbackRateLimiter:
    """The limiter under test; its deadline is real time, its pause the test's."""
    return FallbackRateLimiter(shared, MemoryRateLimiter(clock=clock), deadline=0.05, clock=clock)


async def spend(limiter: FallbackRateLimiter, *permits: Permit, times: int) -> int:
    """How many of so many attempts are admitted."""
    return sum([admitted(await limiter.acquire(permits)) for _ in range(times)])


async def soon(condition: Callable[[], bool]) -> None:
    """Give the loop some turns, until the condition holds."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it did not come true")


async def test_storage_decides_while_it_is_there(limiter: FallbackRateLimiter) -> None:
    """With the storage in health nothing is degraded, whatever the rule says about outages."""
    decisions = await limiter.acquire(
        [permit("2/minute", name=policy, on_store_error=policy) for policy in ("local", "open", "closed")]
    )
    assert [decision.degraded for decision in decisions] == [None] * 3
    assert not limiter.degraded


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), StoreError("out of memory")])
@pytest.mark.security("RL-14")
async def test_rl14_each_rule_has_its_own_policy(
    limiter: FallbackRateLimiter, shared: BreakableRateLimiter, failure: StoreError
) -> None:
    """While the storage fails, a rule counts here, lets pass or refuses, and says which."""
    shared.failure = failure
    local, opened, closed = (permit("2/minute", on_store_error=policy) for policy in ("local", "open", "closed"))
    assert await spend(limiter, local, times=5) == 2
    assert await spend(limiter, opened, times=5) == 5
    assert await spend(limiter, closed, times=5) == 0
    [decision] = await limiter.acquire([closed])
    assert (decision.degraded, decision.remaining, decision.reset_after) == ("closed", 0, 1.0)
    assert limiter.degraded


@pytest.mark.security("RL-14")
async def test_rl14_silent_storage_costs_less_than_a_tenth_of_a_second_once(
    limiter: FallbackRateLimiter, shared: BreakableRateLimiter
) -> None:
    """The first request waits for the deadline, the next ones not at all."""
    shared.silent = True
    started = time.monotonic()
    assert await spend(limiter, permit("2/minute"), times=1) == 1
    assert time.monotonic() - started < 0.1
    assert await spend(limiter, permit("2/minute"), times=100) == 1
    assert shared.calls == 1


async def test_one_caller_asks_again_after_the_pause(
    limiter: FallbackRateLimiter, shared: BreakableRateLimiter, clock: StoppedClock
) -> None:
    """After the pause one request tries the storage while the others go on without; its success ends the outage."""
    shared.failure = StoreUnavailable("away")
    wish = permit("9/minute")
    await limiter.acquire([wish])
    clock.advance(1.0)
    shared.failure, shared.silent = None, True
    answers = await asyncio.gather(*(limiter.acquire([wish]) for _ in range(5)))
    assert all(decision.degraded == "local" for [decision] in answers)
    assert shared.calls == 2
    clock.advance(1.0)
    shared.silent = False
    [decision] = await limiter.acquire([wish])
    assert (decision.degraded, decision.remaining) == (None, 8)
    assert not limiter.degraded


async def test_probing_caller_that_goes_away_leaves_it_to_the_next(
    limiter: FallbackRateLimiter, shared: BreakableRateLimiter, clock: StoppedClock
) -> None:
    """A cancelled probe neither ends the outage nor keeps others from probing later."""
    shared.failure = StoreUnavailable("away")
    wish = permit("9/minute")
    await limiter.acquire([wish])
    clock.advance(1.0)
    shared.silent = True
    probe = asyncio.ensure_future(limiter.acquire([wish]))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    shared.failure, shared.silent = None, False
    assert (await limiter.acquire([wish]))[0].degraded == "local"
    clock.advance(1.0)
    assert (await limiter.acquire([wish]))[0].degraded is None


async def test_late_answer_ends_the_outage(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """A storage that was slow once is trusted as soon as it has answered; the request that it kept waiting is counted there."""
    shared.silent = True
    wish = permit("9/minute")
    assert (await limiter.acquire([wish]))[0].degraded == "local"
    assert (await limiter.acquire([wish]))[0].degraded == "local"
    assert shared.calls == 1
    shared.silent = False
    shared.answers.set()
    await soon(lambda: not limiter.degraded)
    [decision] = await limiter.acquire([wish])
    assert (decision.degraded, decision.remaining) == (None, 7)


async def test_late_failure_is_no_news(limiter: FallbackRateLimiter, shared: BreakableRateLimiter, clock: StoppedClock) -> None:
    """It neither ends the pause nor goes on as an exception that nobody heard."""
    shared.silent = True
    shared.failure = StoreUnavailable("away")
    wish = permit("9/minute")
    await limiter.acquire([wish])
    tasks = asyncio.all_tasks()
    shared.answers.set()
    await soon(lambda: asyncio.all_tasks() < tasks)
    assert limiter.degraded
    shared.silent, shared.failure = False, None
    assert (await limiter.acquire([wish]))[0].degraded == "local"
    clock.advance(1.0)
    assert (await limiter.acquire([wish]))[0].degraded is None


async def test_caller_that_goes_away_takes_its_question_along(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """Nothing is counted for it, and no task stays behind."""
    shared.silent = True
    wish = permit("9/minute")
    tasks = asyncio.all_tasks()
    request = asyncio.ensure_future(limiter.acquire([wish]))
    await soon(lambda: shared.calls == 1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await soon(lambda: asyncio.all_tasks() == tasks)
    assert not limiter.degraded
    shared.silent = False
    assert (await limiter.acquire([wish]))[0].remaining == 8


async def test_closed_rule_keeps_local_ones_from_counting(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """A request that a closed rule refuses uses up nothing of the rules that are counted here."""
    shared.failure = StoreUnavailable("away")
    local, closed = permit("2/minute", name="local"), permit("2/minute", name="closed", on_store_error="closed")
    opened = permit("2/minute", name="open", on_store_error="open")
    decisions = await limiter.acquire([local, closed, opened])
    assert [(decision.name, decision.allowed) for decision in decisions] == [("local", True), ("closed", False), ("open", True)]
    assert await spend(limiter, local, times=5) == 2


async def test_policy_that_is_not_shared_costs_no_io(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """What each process counts for itself never asks the storage, and holds a request back before it does."""
    own = FailureBudget("2/minute").charge("p")
    rule = permit("9/minute", name="rule")
    assert await spend(limiter, own, times=1) == 1
    assert shared.calls == 0
    first = await limiter.acquire([rule, own])
    assert [(decision.name, decision.remaining) for decision in first] == [("rule", 8), ("failed-credentials", 0)]
    assert shared.calls == 1
    [refused] = await limiter.acquire([rule, own])
    assert (refused.name, refused.allowed) == ("failed-credentials", False)
    assert shared.calls == 1


async def test_decision_without_waiting(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """What needs no round trip is decided at once: own policies, and shared ones while the storage is away."""
    own, rule = FailureBudget("5/minute").charge("p"), permit("9/minute", name="rule")
    [counted] = limiter.acquire_now([own]) or []
    assert counted.remaining == 4
    assert limiter.acquire_now([own, rule]) is None
    assert (await look(limiter, [own]))[0].remaining == 4
    assert limiter.acquire_now([rule]) is None
    [by_storage] = await limiter.acquire([rule])
    assert (by_storage.degraded, by_storage.remaining) == (None, 8)
    shared.failure = StoreUnavailable("away")
    await limiter.acquire([rule])
    [by_fallback] = limiter.acquire_now([rule]) or []
    assert (by_fallback.degraded, by_fallback.remaining) == ("local", 7)


async def test_shared_refusal_keeps_own_policies_from_counting(limiter: FallbackRateLimiter) -> None:
    """A request that the storage refuses uses up nothing of what this process counts."""
    own = FailureBudget("5/minute").charge("p")
    rule = permit("1/minute", name="rule")
    assert await spend(limiter, own, rule, times=4) == 1
    [left] = await look(limiter, [own])
    assert left.remaining == 4


async def test_a_look_counts_nothing(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """Looking is free with the storage and without it."""
    wish = permit("2/minute")
    for _ in range(3):
        assert admitted(await look(limiter, [wish]))
    shared.failure = StoreUnavailable("away")
    for _ in range(3):
        assert admitted(await look(limiter, [wish]))
    assert await spend(limiter, wish, times=4) == 2


async def test_defects_are_not_outages(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """Only the storage's own errors are an outage; a mistake in the code is raised."""
    shared.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await limiter.acquire([permit("2/minute")])


async def test_start_and_stop_reach_both(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """The limiter starts and stops what it stands on."""
    await limiter.start()
    assert shared.running
    await limiter.stop()
    assert not shared.running


async def test_stop_ends_what_nobody_waits_for(limiter: FallbackRateLimiter, shared: BreakableRateLimiter) -> None:
    """No question outlives the limiter."""
    shared.silent = True
    tasks = asyncio.all_tasks()
    await limiter.acquire([permit("2/minute")])
    assert asyncio.all_tasks() > tasks
    await limiter.stop()
    assert asyncio.all_tasks() == tasks


@pytest.fixture
async def limiter_on_redis(own_redis: RedisServer) -> AsyncIterator[FallbackRateLimiter]:
    """A limiter on a Redis that may be mistreated, on real time."""
    client = RedisClient(own_redis.url)
    yield FallbackRateLimiter(RedisRateLimiter(client), MemoryRateLimiter(), pause=0.2)
    await client.close()


@pytest.mark.security("RL-06")
@pytest.mark.parametrize("seconds", [0.055, 0.07, 0.2])
@pytest.mark.parametrize("after", range(0, 18, 3))
async def test_rl06_busy_loop_is_no_outage(limiter_on_redis: FallbackRateLimiter, seconds: float, after: int) -> None:
    """A handler that blocks the loop, at any turn of a question's way, makes nobody count from zero: Redis decides."""
    wish = permit("1000/hour")
    await limiter_on_redis.acquire([wish])
    request = asyncio.ensure_future(limiter_on_redis.acquire([wish]))
    for _ in range(after):
        await asyncio.sleep(0)
    time.sleep(seconds)
    [decision] = await request
    assert (decision.degraded, decision.remaining) == (None, 998)


@pytest.mark.security("RL-14")
async def test_rl14_frozen_redis(limiter_on_redis: FallbackRateLimiter, own_redis: RedisServer) -> None:
    """A Redis that accepts and never answers costs no decision a tenth of a second, and is used again when it wakes up."""
    wish = permit("1000/hour")
    assert (await limiter_on_redis.acquire([wish]))[0].degraded is None
    own_redis.pause()
    for _ in range(3):
        started = time.monotonic()
        answers = await asyncio.gather(*(limiter_on_redis.acquire([wish]) for _ in range(20)))
        assert time.monotonic() - started < 0.1
        assert all(decision.degraded == "local" for [decision] in answers)
    own_redis.resume()
    deadline = time.monotonic() + 10
    while (await limiter_on_redis.acquire([wish]))[0].degraded:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.security("RL-14")
async def test_rl14_killed_redis(limiter_on_redis: FallbackRateLimiter, own_redis: RedisServer) -> None:
    """A Redis that is gone is replaced by this process's count, and used again when it is back."""
    wish = permit("3/hour")
    own_redis.kill()
    assert await spend(limiter_on_redis, wish, times=5) == 3
    own_redis.start()
    deadline = time.monotonic() + 10
    while (decision := (await limiter_on_redis.acquire([wish]))[0]).degraded:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert decision.remaining == 2
