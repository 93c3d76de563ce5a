"""Two workers over one store, on every kind of it."""

from collections.abc import AsyncIterator

import pytest

from asgi_session import SessionManager, SessionMiddleware, SessionStore
from asgi_session.redis import RedisClient
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from tests.races.workers import PAGES, Workers
from tests.support.backends import EVERY_STORE
from tests.support.interleaving import SteppedStore
from tests.support.site import SECRET, pages


@pytest.fixture(params=[0, 1], ids=["one worker", "two workers"])
def second(request: pytest.FixtureRequest) -> int:
    """Which worker serves the second request of a race."""
    number: int = request.param
    return number


@pytest.fixture(params=EVERY_STORE)
async def workers(request: pytest.FixtureRequest, namespace: str, second: int) -> AsyncIterator[Workers]:
    """Two workers, as two processes have them: each with a store object, a cache and connections of its own."""
    stores: list[SessionStore]
    if request.param == "memory":
        stores = [MemoryStore()] * 3
    else:
        url = request.getfixturevalue(f"{request.param}_url")
        stores = [RedisStore(RedisClient(url), namespace=namespace) for _ in range(3)]
    stepped = [SteppedStore(store) for store in stores[:2]]
    middlewares = [SessionMiddleware(pages(PAGES), SECRET, store=store) for store in stepped]
    for middleware in middlewares:
        await middleware.initialize()
    async with SessionManager(SECRET, store=stores[2]) as manager:
        yield Workers(middlewares, stepped, manager, second)
    for middleware in middlewares:
        await middleware.shutdown()
