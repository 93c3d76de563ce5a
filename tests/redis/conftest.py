"""Clients that close themselves, and a server that misbehaves to order."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asgi_session.redis import RedisClient
from tests.redis.fake_server import FakeServer

MakeClient = Callable[..., RedisClient]


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """Makes clients, and closes them after the test; takes the arguments of ``RedisClient``."""
    async with AsyncExitStack() as stack:

        def make(url: str, **arguments: Any) -> RedisClient:
            client = RedisClient(url, **arguments)
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.fixture
async def fake_server() -> AsyncIterator[Callable[..., Awaitable[FakeServer]]]:
    """Starts fake servers, and stops them after the test; takes the arguments of ``FakeServer``."""
    async with AsyncExitStack() as stack:

        async def start(*arguments: Any) -> FakeServer:
            return await stack.enter_async_context(FakeServer(*arguments))

        yield start
