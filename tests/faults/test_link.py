"""The invalidation link ends when it is told to, whatever its connection does at that moment."""

import asyncio
from typing import Any, NoReturn

import pytest

from asgi_session.redis import RedisClient
from asgi_session.stores.redis.keys import Keys
from asgi_session.stores.redis.link import Follower, RedisLink

pytestmark = pytest.mark.alone


class BreakingConnection:
    """Breaks at the very moment when whoever reads from it is cancelled, as at a failover."""

    async def send_command(self, *_: Any) -> None:
        """Takes everything."""

    async def read_response(self, **_: Any) -> NoReturn:
        """Says nothing; on cancellation, the connection turns out to be broken."""
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError

    async def disconnect(self, *, nowait: bool) -> None:
        """Nothing to close."""


class BreakingConnections:
    """One of them after the other."""

    async def dedicated(self) -> BreakingConnection:
        return BreakingConnection()

    async def is_current(self, _: BreakingConnection) -> bool:
        return True


@pytest.mark.security("AV-10")
async def test_a_cancelled_follower_ends_also_while_its_connection_breaks() -> None:
    """A group of tasks that fails while it is cancelled forgets the cancellation (Python < 3.13); the follower must not."""
    client = RedisClient("redis://localhost/0")
    link = RedisLink(client, "test")
    follower = Follower(link, False, Keys("test"), "localhost", BreakingConnections())  # type: ignore[arg-type]
    task = asyncio.ensure_future(follower.run())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.done()
