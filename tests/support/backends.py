"""The stores on which a story has to come out the same (security row ST-14): in memory, in Redis, in a Redis Cluster."""

import pytest

from asgi_session import SessionStore
from asgi_session.stores.memory import MemoryStore

EVERY_STORE = [
    "memory",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("cluster", marks=pytest.mark.cluster),
]


def store_named(request: pytest.FixtureRequest) -> SessionStore | str:
    """An empty store, as the middleware's argument."""
    if request.param == "memory":
        return MemoryStore()
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
