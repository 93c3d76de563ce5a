"""Stores on real servers, and what lies in them."""

from collections.abc import AsyncIterator

import pytest

from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("cluster", marks=pytest.mark.cluster)])
async def store(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[RedisStore]:
    """An empty store on one server, and on a Cluster."""
    made = RedisStore(RedisClient(request.getfixturevalue(f"{request.param}_url")), namespace=namespace)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def redis_store(redis_url: str, namespace: str) -> AsyncIterator[RedisStore]:
    """An empty store on one server."""
    made = RedisStore(RedisClient(redis_url), namespace=namespace)
    await made.start()
    yield made
    await made.stop()
