"""What sessions are worked on with: the steps that nobody can stop half-way."""

import asyncio
from typing import Any

import pytest

from asgi_session import StoreUnavailable
from asgi_session.engine import SessionEngine
from asgi_session.settings import SessionSettings
from tests.support.site import SECRET


@pytest.fixture
def engine() -> SessionEngine:
    """On a store in memory."""
    return SessionSettings(SECRET, store="memory://").engine()


class Step:
    """A step of a store that takes as long as the test wants."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.ended = asyncio.Event(), asyncio.Event(), False

    async def __call__(self, outcome: Any = "done") -> Any:
        self.begun.set()
        await self.may_end.wait()
        self.ended = True
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_a_step_returns_what_it_returns(engine: SessionEngine) -> None:
    """Or raises what it raises; nothing of it is kept."""
    step = Step()
    step.may_end.set()
    assert await engine.finish(step()) == "done"
    with pytest.raises(StoreUnavailable):
        await engine.finish(step(StoreUnavailable("down")))
    await asyncio.sleep(0)
    assert not engine.steps


async def test_whoever_is_cancelled_leaves_the_step_running(engine: SessionEngine) -> None:
    """It ends by itself, and drain waits for it (design rule 11)."""
    step = Step()
    waiting = asyncio.ensure_future(engine.finish(step()))
    await step.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not step.ended
    draining = asyncio.ensure_future(engine.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    step.may_end.set()
    await draining
    assert step.ended
    assert not engine.steps


async def test_an_error_that_nobody_waits_for_is_no_news(engine: SessionEngine) -> None:
    """The event loop is not told of an exception that was never retrieved."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    step = Step()
    waiting = asyncio.ensure_future(engine.finish(step(StoreUnavailable("down"))))
    await step.begun.wait()
    waiting.cancel()
    step.may_end.set()
    await engine.drain()
    del waiting
    await asyncio.sleep(0)
    assert complaints == []


async def test_draining_nothing_is_no_wait(engine: SessionEngine) -> None:
    """There may be no steps at all."""
    await engine.drain()


def test_steps_of_another_event_loop_are_not_waited_for(engine: SessionEngine) -> None:
    """One that was left in the middle of a step never ends it; a shutdown on a new one does end."""
    left = asyncio.new_event_loop()
    step = Step()
    waiting = left.create_task(engine.finish(step()))
    left.run_until_complete(step.begun.wait())
    asyncio.run(asyncio.wait_for(engine.drain(), 1))
    assert not step.ended
    step.may_end.set()
    left.run_until_complete(waiting)
    left.close()
