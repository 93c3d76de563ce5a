"""What every limiter promises: the same story on memory, fakeredis, Redis and a Redis Cluster."""

import asyncio

import pytest

from asgi_session.ratelimit.base import Permit, RateLimiter, admitted
from asgi_session.ratelimit.leases import Leasing
from tests.ratelimit.parts import StoppedClock, look, permit

STRATEGIES = ["sliding", "moving"]


async def spend(limiter: RateLimiter, *permits: Permit, times: int) -> int:
    """How many of so many attempts are admitted."""
    return sum([admitted(await limiter.acquire(permits)) for _ in range(times)])


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_admits_exactly_the_limit(limiter: RateLimiter, strategy: str) -> None:
    """Of eight requests at once, a limit of five admits five."""
    assert await spend(limiter, permit("5/minute", strategy=strategy), times=8) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.security("RL-06")
async def test_rl06_admits_exactly_the_limit_concurrently(limiter: RateLimiter, strategy: str) -> None:
    """Fifty requests of one loop that overlap share a limit of five exactly."""
    wish = permit("5/minute", strategy=strategy)
    answers = await asyncio.gather(*(limiter.acquire([wish]) for _ in range(50)))
    assert sum(map(admitted, answers)) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_remaining_counts_down(limiter: RateLimiter, strategy: str) -> None:
    """Each decision says what is left after it, and a refusal says zero."""
    wish = permit("3/minute", strategy=strategy)
    remaining = [(await limiter.acquire([wish]))[0].remaining for _ in range(5)]
    assert remaining == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_refused_permit_fits_after_the_announced_time(limiter: RateLimiter, clock: StoppedClock, strategy: str) -> None:
    """The announced wait is exact: a millisecond earlier the request is refused, at its end it is admitted."""
    wish = permit("4/10 second", strategy=strategy, cost=2)
    await limiter.acquire([wish])
    clock.advance(4)
    await limiter.acquire([wish])
    [refused] = await limiter.acquire([wish])
    clock.advance(refused.reset_after - 0.001)
    assert not admitted(await look(limiter, [wish]))
    clock.advance(0.002)
    assert admitted(await look(limiter, [wish]))


async def test_allowed_sliding_decision_tells_the_end_of_its_window(limiter: RateLimiter, clock: StoppedClock) -> None:
    """What remains has to last until the current window ends; an unused quota has a whole window."""
    wish = permit("4/10 second")
    assert (await look(limiter, [wish]))[0].reset_after == 10
    await limiter.acquire([wish])
    clock.advance(3)
    assert (await limiter.acquire([wish]))[0].reset_after == 7


async def test_allowed_moving_decision_tells_when_the_oldest_unit_is_free(limiter: RateLimiter, clock: StoppedClock) -> None:
    """The oldest hit leaves a moving window one millisecond after the window's length."""
    wish = permit("4/10 second", strategy="moving")
    assert (await look(limiter, [wish]))[0].reset_after == 10
    await limiter.acquire([wish])
    clock.advance(3)
    assert (await limiter.acquire([wish]))[0].reset_after == 7.001


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_refusal_uses_up_nothing_of_other_rules_in_the_partition(limiter: RateLimiter, strategy: str) -> None:
    """A request that one rule refuses leaves the others of its partition as they were."""
    narrow = permit("1/minute", name="narrow", strategy=strategy)
    wide = permit("10/minute", name="wide", strategy=strategy)
    assert await spend(limiter, wide, narrow, times=6) == 1
    [left] = await look(limiter, [wide])
    assert left.remaining == 9


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_refusal_uses_up_nothing_of_other_windows_of_the_rule(
    limiter: RateLimiter, clock: StoppedClock, strategy: str
) -> None:
    """Requests that the second's window refuses don't count against the minute's."""
    wish = permit("2/second; 10/minute", strategy=strategy)
    assert await spend(limiter, wish, times=9) == 2
    clock.advance(2.5)
    second, minute = await limiter.acquire([wish])
    assert (second.remaining, minute.remaining) == (1, 7)


async def test_the_violated_window_tells_its_own_wait(limiter: RateLimiter, clock: StoppedClock) -> None:
    """With the minute's quota used up, it is the minute's window that refuses, with the minute's wait."""
    wish = permit("5/second; 6/minute")
    assert await spend(limiter, wish, times=5) == 5
    clock.advance(3)
    assert await spend(limiter, wish, times=3) == 1
    second, minute = await limiter.acquire([wish])
    assert (second.allowed, minute.allowed) == (True, False)
    assert minute.reset_after > 57


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_decisions_come_in_the_order_of_permits_and_quotas(limiter: RateLimiter, strategy: str) -> None:
    """Decisions keep the order of the permits, also when these are of several partitions."""
    wishes = [
        permit("2/second; 9/minute", name="a", partition="x", strategy=strategy),
        permit("5/minute", name="b", partition="y", strategy=strategy),
        permit("7/minute", name="c", partition="x", strategy=strategy),
    ]
    decisions = await limiter.acquire(wishes)
    assert [decision.name for decision in decisions] == ["a-second", "a-minute", "b", "c"]
    assert [decision.remaining for decision in decisions] == [1, 8, 4, 6]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_partitions_do_not_share_counts(limiter: RateLimiter, strategy: str) -> None:
    """One client's requests leave another's quota alone."""
    await spend(limiter, permit("2/minute", partition="one", strategy=strategy), times=5)
    assert await spend(limiter, permit("2/minute", partition="other", strategy=strategy), times=5) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_look_counts_nothing(limiter: RateLimiter, strategy: str) -> None:
    """Looking as often as one likes leaves the quota whole."""
    wish = permit("2/minute", strategy=strategy)
    for _ in range(5):
        assert admitted(await look(limiter, [wish]))
    assert await spend(limiter, wish, times=5) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_permit_that_only_tests_is_checked_but_not_counted(limiter: RateLimiter, strategy: str) -> None:
    """A permit without consumption lets through while there is room, and holds everything back when there is none."""
    budget = permit("2/minute", name="budget", strategy=strategy)
    rule = permit("9/minute", name="rule", strategy=strategy)
    test = budget._replace(consume=False)
    assert await spend(limiter, test, rule, times=3) == 3
    await spend(limiter, budget, times=2)
    assert await spend(limiter, test, rule, times=3) == 0
    [left] = await look(limiter, [rule])
    assert left.remaining == 6


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_cost_is_taken_whole_or_not_at_all(limiter: RateLimiter, strategy: str) -> None:
    """A request of cost three does not fit into the two units that are left, one of cost two does."""
    assert await spend(limiter, permit("5/minute", strategy=strategy, cost=3), times=2) == 1
    assert await spend(limiter, permit("5/minute", strategy=strategy, cost=2), times=2) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_cost_above_the_limit_is_refused_for_a_window(limiter: RateLimiter, strategy: str) -> None:
    """What can never fit is refused, with the whole window as wait."""
    [decision] = await limiter.acquire([permit("5/minute", strategy=strategy, cost=6)])
    assert (decision.allowed, decision.remaining, decision.reset_after) == (False, 5, 60)


async def test_sliding_count_of_the_window_before_fades(limiter: RateLimiter, clock: StoppedClock) -> None:
    """Half a window later, half of the older hits still count."""
    wish = permit("10/10 second")
    assert await spend(limiter, wish, times=12) == 10
    clock.advance(15)
    assert await spend(limiter, wish, times=12) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_quota_is_whole_after_two_windows(limiter: RateLimiter, clock: StoppedClock, strategy: str) -> None:
    """Nothing of the past counts two windows later."""
    wish = permit("10/10 second", strategy=strategy)
    await spend(limiter, wish, times=10)
    clock.advance(20)
    assert await spend(limiter, wish, times=12) == 10


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_clock_that_steps_back_locks_nobody_out(limiter: RateLimiter, clock: StoppedClock, strategy: str) -> None:
    """After a jump of a day and back, counts made in between are over within two windows."""
    wish = permit("3/10 second", strategy=strategy)
    clock.advance(86_400)
    assert await spend(limiter, wish, times=5) == 3
    clock.advance(-86_400)
    assert not admitted(await limiter.acquire([wish]))
    clock.advance(20.5)
    assert await spend(limiter, wish, times=5) == 3


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_lease_takes_what_is_there(limiter: Leasing, clock: StoppedClock, strategy: str) -> None:
    """A lease gets as many times the permits as all rules have room for, counts just these, and says when there are more."""
    wishes = [permit("10/minute", name="a", strategy=strategy, cost=2), permit("9/minute", name="b", strategy=strategy)]
    first = await limiter.lease(wishes, 3)
    assert (first.uses, first.next_in) == (3, 0)
    clock.advance(10)
    last = await limiter.lease(wishes, 50)
    assert last.uses == 2
    assert [decision.remaining for decision in last.decisions] == [0, 4]
    refused = await limiter.lease(wishes, 50)
    assert refused.uses == 0
    assert last.next_in == refused.next_in == refused.decisions[0].reset_after > 0
    clock.advance(last.next_in - 0.001)
    assert (await limiter.lease(wishes, 50)).uses == 0
    clock.advance(0.001)
    assert (await limiter.lease(wishes, 50)).uses > 0


async def test_decision_without_waiting_counts_or_leaves_it_to_acquire(limiter: RateLimiter) -> None:
    """A limiter that needs no I/O decides at once; one that does counts nothing."""
    wish = permit("5/minute")
    decisions = limiter.acquire_now([wish])
    [left] = await look(limiter, [wish])
    assert left.remaining == (5 if decisions is None else 4)


async def test_limiter_starts_and_stops(limiter: RateLimiter) -> None:
    """A limiter works after its start, and its stop leaves nothing behind."""
    await limiter.start()
    assert admitted(await limiter.acquire([permit("1/minute")]))
    await limiter.stop()
