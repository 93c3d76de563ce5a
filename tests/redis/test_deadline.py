"""A time limit that tells a silent server from a busy loop."""

import asyncio
import time

import pytest

from asgi_session.redis.deadline import Deadline


async def under(deadline_after: float, work: float, *, block: float = 0.0, advance: float | None = None) -> tuple[bool, float]:
    """Sleeps for ``work`` seconds under a deadline; whether it passed, and when."""
    loop = asyncio.get_running_loop()
    seen: list[bool] = []

    async def run() -> None:
        deadline = Deadline(loop, loop.time() + deadline_after)
        if advance is not None:
            deadline.advance(loop.time() + advance)
        try:
            loop.call_soon(time.sleep, block)
            await asyncio.sleep(work)
        except asyncio.CancelledError:
            assert deadline.passed
        finally:
            seen.append(deadline.passed)
            deadline.lift()

    started = loop.time()
    await asyncio.create_task(run())
    return seen[0], loop.time() - started


async def test_work_in_time_is_left_alone() -> None:
    """Nothing happens before the time, nor after the limit was lifted."""
    passed, _ = await under(0.05, 0.0)
    await asyncio.sleep(0.06)
    assert not passed


@pytest.mark.security("AV-03")
async def test_work_beyond_it_is_cancelled() -> None:
    """The task gets a cancellation that the deadline owns up to."""
    passed, took = await under(0.05, 5.0)
    assert passed
    assert 0.04 < took < 0.2


async def test_it_can_be_made_earlier_only() -> None:
    """Earlier counts, later does not."""
    assert (await under(5.0, 1.0, advance=0.02))[1] < 0.2
    assert (await under(0.02, 1.0, advance=5.0))[1] < 0.2


async def test_a_blocked_loop_gets_a_little_longer() -> None:
    """Work that was ready while the loop was blocked beyond the time is finished."""
    passed, _ = await under(0.02, 0.03, block=0.1)
    assert not passed


async def test_a_blocked_loop_does_not_get_for_ever() -> None:
    """The extra time is given once."""
    passed, took = await under(0.02, 5.0, block=0.1)
    assert passed
    assert took < 0.4
