"""The route of one server."""

from asgi_session.breaker import CircuitBreaker
from asgi_session.redis.connections import Connections
from asgi_session.redis.lane import Lane, Limits
from asgi_session.redis.route import OneServer
from asgi_session.redis.url import parse_url


async def test_one_server_serves_every_slot() -> None:
    """There is one lane, whatever is asked for."""
    address = parse_url("redis://127.0.0.1")
    lane = Lane("here", Connections.to_server(address, address.hosts[0], 1.0), Limits(1.0, 1.0, 1), CircuitBreaker())
    route = OneServer(lane)
    assert await route.primaries() == [lane]
    assert route.same_node(1, 2)
    await route.close()
