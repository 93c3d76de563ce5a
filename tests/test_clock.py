"""The machine's clocks, and waiting for a time of day."""

import asyncio
import time

import pytest

from asgi_session.clock import SYSTEM_CLOCK, SystemClock, reached
from tests.support.clock import DAY, StoppedClock


def test_the_system_clock_is_the_machines() -> None:
    """Seconds since the epoch, and seconds that never go back."""
    before = time.time(), time.monotonic()
    seen = SYSTEM_CLOCK.now(), SYSTEM_CLOCK.monotonic()
    after = time.time(), time.monotonic()
    assert before[0] <= seen[0] <= after[0]
    assert before[1] <= seen[1] <= after[1]


def test_one_is_as_good_as_another() -> None:
    """It has no state."""
    assert abs(SystemClock().monotonic() - SYSTEM_CLOCK.monotonic()) < 60


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept each time; the clock of the tests goes on by that."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        CLOCK.advance(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(CLOCK, "wall", 1_800_000_000.0)
    return slept


CLOCK = StoppedClock()


@pytest.mark.parametrize("away", [-1.0, 0.0, 0.5, 45.0, 3 * DAY])
async def test_a_moment_is_reached_in_small_steps(sleeps: list[float], away: float) -> None:
    """Neither before nor after it, and however far away, no timer runs for longer than half a minute."""
    moment = CLOCK.now() + away
    await reached(moment, CLOCK)
    assert CLOCK.now() == max(moment, 1_800_000_000.0)
    assert all(0 < slept <= 30 for slept in sleeps)
    assert len(sleeps) == -(-max(away, 0) // 30)


async def test_a_clock_that_is_set_meanwhile_is_noticed(sleeps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward, as after a night asleep: at once with the next look; back: the moment is waited for."""
    moment = CLOCK.now() + 3600
    slow = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await slow(seconds)
        if len(sleeps) == 1:
            CLOCK.wall -= 60
        if len(sleeps) == 3:
            CLOCK.wall += DAY

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await reached(moment, CLOCK)
    assert sleeps == [30, 30, 30]


async def test_a_cancelled_wait_leaves_no_timer() -> None:
    """The loop has nothing to remember."""
    waiting = asyncio.ensure_future(reached(SYSTEM_CLOCK.now() + 3600, SYSTEM_CLOCK))
    await asyncio.sleep(0)
    assert timers()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not timers()


def timers() -> list[asyncio.TimerHandle]:
    """What the running loop will call later."""
    return [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
