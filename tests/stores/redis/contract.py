"""The contract as every kind of Redis has to keep it."""

from collections.abc import AsyncIterator

import pytest

from asgi_session.ids import StoreKey
from asgi_session.redis import RedisClient
from asgi_session.stores.base import SessionStore
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from asgi_session.testing import MaintenanceContract, StoreContract, StoredFormContract, TouchesContract, UserSessionsContract
from tests.support.redis_time import let_time_pass


class RedisStoreContract(StoreContract, UserSessionsContract, TouchesContract, MaintenanceContract, StoredFormContract):
    """A subclass gives ``url``; everything else is the same everywhere."""

    time_unit = 60.0
    operation_timeout = 0.25

    @pytest.fixture
    async def store(self, url: str, namespace: str) -> AsyncIterator[SessionStore]:
        store = RedisStore(RedisClient(url, operation_timeout=self.operation_timeout), namespace=namespace)
        await store.start()
        yield store
        await store.stop()

    async def elapse(self, store: SessionStore, seconds: float) -> None:
        assert isinstance(store, RedisStore)
        await let_time_pass(store, seconds)

    async def make_foreign(self, store: SessionStore, key: StoreKey) -> None:
        assert isinstance(store, RedisStore)
        await store.client.command("HSET", Keys(store.namespace).session(key), "v", "2")
