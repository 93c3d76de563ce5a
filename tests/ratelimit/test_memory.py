"""The memory limiter's own promises: bounded, without threads and tasks, and nothing that takes long on the loop."""

import asyncio
import threading
import time

import pytest

from asgi_session.ratelimit.base import admitted
from asgi_session.ratelimit.memory import MemoryRateLimiter
from tests.ratelimit.parts import StoppedClock, permit

STRATEGIES = ["sliding", "moving"]


@pytest.mark.lengthy
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.security("RL-16")
def test_rl16_partitions_expire_without_a_sweep(clock: StoppedClock, strategy: str) -> None:
    """When their counts are over, 10,000 partitions vanish two for each decision that follows."""
    limiter = MemoryRateLimiter(clock=clock)
    wish = permit("5/10 second", strategy=strategy)
    for number in range(10_000):
        limiter.decide([wish._replace(partition=f"p{number}")])
    clock.advance(30)
    for number in range(3_000):
        limiter.decide([wish._replace(partition=f"q{number}")])
    assert len(limiter) == 10_000 - 3_000
    for number in range(5_000):
        limiter.decide([wish._replace(partition=f"r{number}")])
    assert len(limiter) == 8_000


@pytest.mark.lengthy
@pytest.mark.parametrize("partitions", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.security("RL-16")
def test_rl16_memory_is_bounded_however_many_come(clock: StoppedClock, partitions: int) -> None:
    """Any number of partitions within a window leaves the most recent ones only, and no decision among them takes long."""
    limiter = MemoryRateLimiter(clock=clock, max_partitions=1_000)
    wish = permit("5/hour")
    slowest = 0.0
    for number in range(partitions):
        started = time.thread_time() if number % 1_000 == 0 else 0.0
        limiter.decide([wish._replace(partition=str(number))])
        if started:
            slowest = max(slowest, time.thread_time() - started)
    assert len(limiter) == 1_000
    assert slowest < 0.02


def test_busy_partition_survives_a_flood_of_others(clock: StoppedClock) -> None:
    """Whoever goes on asking is not forgotten, however many others come by, so a refusal stays a refusal."""
    limiter = MemoryRateLimiter(clock=clock, max_partitions=100)
    wish = permit("1/hour", partition="busy")
    limiter.decide([wish])
    for number in range(1_000):
        limiter.decide([wish._replace(partition=str(number))])
        if number % 50 == 0:
            assert not admitted(limiter.decide([wish]))


def test_idle_partitions_vanish_while_only_one_client_is_left(clock: StoppedClock) -> None:
    """Old partitions are dropped also when nobody new comes."""
    limiter = MemoryRateLimiter(clock=clock)
    wish = permit("1000/10 second")
    for number in range(500):
        limiter.decide([wish._replace(partition=str(number))])
    clock.advance(25)
    for _ in range(251):
        limiter.decide([wish])
    assert len(limiter) == 1


def test_looking_and_being_refused_leave_nothing_behind(clock: StoppedClock) -> None:
    """A partition that used nothing takes no memory."""
    limiter = MemoryRateLimiter(clock=clock)
    limiter.decide([permit("1/minute")], consume=False)
    limiter.decide([permit("1/minute", cost=2)])
    assert len(limiter) == 0


async def test_no_thread_and_no_task_at_any_time() -> None:
    """Neither making nor using nor stopping a limiter starts a thread or a task (that of ``limits`` starts a timer)."""
    threads, tasks = threading.active_count(), asyncio.all_tasks()
    limiter = MemoryRateLimiter()
    await limiter.start()
    await limiter.acquire([permit("1/minute")])
    assert (threading.active_count(), asyncio.all_tasks()) == (threads, tasks)
    await limiter.stop()
    assert len(limiter) == 0
