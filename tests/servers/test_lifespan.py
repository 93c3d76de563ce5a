"""What a server is told at the end, and when."""

import asyncio
from typing import Any

import pytest

from asgi_session import SessionMiddleware
from asgi_session.stores.memory import MemoryStore


class SlowToStop(MemoryStore):
    """A store that needs a turn of the event loop to close, as one with connections does."""

    stopped = False

    async def stop(self) -> None:
        await asyncio.sleep(0)
        await super().stop()
        self.stopped = True


async def follows_the_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """An application that takes part."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def knows_no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """An application that does not."""
    raise NotImplementedError


@pytest.mark.security("AV-10")
@pytest.mark.parametrize("app", [follows_the_lifespan, knows_no_lifespan])
async def test_server_hears_of_the_end_after_everything_has_stopped(app: Any) -> None:
    """A server cancels what still runs once it was told that all is over, so it is told last."""
    store = SlowToStop()
    received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[tuple[str, bool]] = []

    async def receive() -> dict[str, str]:
        return received.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append((message["type"], store.stopped))

    await SessionMiddleware(app, "a key for this test, long enough for it", store=store)({"type": "lifespan"}, receive, send)

    assert sent == [("lifespan.startup.complete", False), ("lifespan.shutdown.complete", True)]
