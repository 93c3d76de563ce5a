"""Every kind of limiter, all on one stopped clock."""

from collections.abc import AsyncIterator

import pytest

from asgi_session.ratelimit.base import RateLimiter
from asgi_session.ratelimit.memory import MemoryRateLimiter
from asgi_session.redis import RedisClient
from tests.ratelimit.parts import FakeRedisClient, StoppedClock, TimedRedisRateLimiter

BACKENDS = [
    "memory",
    "fakeredis",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("cluster", marks=pytest.mark.cluster),
]


@pytest.fixture
def clock() -> StoppedClock:
    """The time of every limiter of the test."""
    return StoppedClock()


@pytest.fixture(params=BACKENDS)
async def limiter(request: pytest.FixtureRequest, clock: StoppedClock, namespace: str) -> AsyncIterator[RateLimiter]:
    """A limiter of each kind, without counts."""
    if request.param == "memory":
        yield MemoryRateLimiter(clock=clock)
        return
    if request.param == "fakeredis":
        client: RedisClient | FakeRedisClient = FakeRedisClient()
    else:
        client = RedisClient(request.getfixturevalue(f"{request.param}_url"))
    yield TimedRedisRateLimiter(client, clock, namespace)
    await client.close()


@pytest.fixture
async def fake_client() -> AsyncIterator[FakeRedisClient]:
    """A fakeredis of the test's own."""
    client = FakeRedisClient()
    yield client
    await client.close()
