"""What belongs to one event loop; how a client follows from loop to loop is in test_client.py."""

import asyncio
import gc
import warnings
from typing import Any

import pytest

from asgi_session.breaker import CircuitBreaker
from asgi_session.redis.lane import Limits
from asgi_session.redis.link import Link
from asgi_session.redis.url import parse_url
from tests.redis.fake_server import FakeServer

LIMITS = Limits(1.0, 0.25, 4)


def forget(links: list[Link]) -> None:
    """Drops the last references."""
    links.clear()
    gc.collect()


async def test_making_one_connects_nothing() -> None:
    """Nothing happens before the first call."""
    async with FakeServer() as server:
        link = Link(parse_url(server.url), LIMITS, CircuitBreaker())
        await asyncio.sleep(0.01)
        assert server.connections == 0
        await link.close()


async def test_a_forgotten_one_is_complained_about() -> None:
    """A link that nobody closed on a living loop is a leak, and the driver says so."""
    async with FakeServer() as server:
        link = Link(parse_url(server.url), LIMITS, CircuitBreaker())
        await link.submit(("PING",), None)
        await asyncio.sleep(0.01)  # for the batch's task to end
        links = [link]
        del link
        with pytest.warns(ResourceWarning, match="unclosed"):
            forget(links)


async def test_abandoning_from_another_thread_leaves_it_to_the_loop() -> None:
    """The loop itself closes the connections, in its own time."""
    async with FakeServer() as server:
        link = Link(parse_url(server.url), LIMITS, CircuitBreaker())
        await link.submit(("PING",), None)
        await asyncio.to_thread(link.abandon)
        for _ in range(50):
            await asyncio.sleep(0.01)
            if not server.open_connections:
                break
        assert server.open_connections == 0


def test_a_forgotten_one_whose_loop_has_ended_goes_in_silence() -> None:
    """Nobody could close it any more. Also where the garbage collector comes to its connections before it comes to the link."""
    kept: list[Any] = []

    async def use() -> None:
        async with FakeServer() as server:
            link = Link(parse_url(server.url), LIMITS, CircuitBreaker())
            await link.submit(("PING",), None)
            await asyncio.sleep(0.01)
            (lane,) = await link._route.primaries()
            (connection,) = lane.connections.pool._available_connections
            owner: dict[str, Any] = {"link": link}
            owner["self"] = owner
            kept.append([connection, owner])  # younger than both

    asyncio.run(use())
    gc.collect()  # everything is reached by way of `kept` now: the connection first
    kept.clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(warning.message) for warning in said] == []
