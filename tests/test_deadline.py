"""A time limit that tells a silent server from a busy loop."""

import asyncio
import time

import pytest

from asgi_session.deadline import Deadline, is_done_within


async def under(deadline_after: float, work: float, *, block: float = 0.0, advance: float | None = None) -> tuple[bool, float]:
    """Sleeps for ``work`` seconds under a deadline; whether it passed, and when."""
    loop = asyncio.get_running_loop()
    seen: list[bool] = []

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        deadline = Deadline(loop, loop.time() + deadline_after, task.cancel)
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


@pytest.mark.lengthy
@pytest.mark.parametrize("turn", [0.003, 0.006, 0.012, 0.06])
async def test_a_loop_that_is_always_busy_has_its_turns(turn: float) -> None:
    """What needs so many turns of the loop is finished, however long the application makes each of them."""

    async def turns(number: int) -> str:
        for _ in range(number):
            asyncio.get_running_loop().call_soon(time.sleep, turn)
            await asyncio.sleep(0)
        return "done"

    work = asyncio.ensure_future(turns(15))
    assert await is_done_within(0.05, work)
    assert work.result() == "done"


@pytest.mark.lengthy
@pytest.mark.security("AV-03")
async def test_a_loop_that_is_always_busy_does_not_get_for_ever() -> None:
    """Silence is silence, after a number of turns that is enough for any answer."""
    loop = asyncio.get_running_loop()
    turns = 0

    def block() -> None:
        nonlocal turns, busy
        turns += 1
        time.sleep(0.01)
        busy = loop.call_soon(block)

    busy = loop.call_soon(block)
    assert not await is_done_within(0.05, loop.create_future())
    busy.cancel()
    assert turns < 60


async def test_who_waits_in_vain_leaves_the_work_alone() -> None:
    """It goes on after the limit, and after whoever waited was cancelled."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    assert not await is_done_within(0.02, work)
    waiting = asyncio.ensure_future(is_done_within(5.0, work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not work.done()
    work.set_result(1)
    assert await is_done_within(0.02, work)
