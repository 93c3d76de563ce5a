"""A bucket is lost, by eviction or by hand: it held what tells revoked sessions from live ones."""

import pytest

from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.stores.redis.inside import make


@pytest.mark.security("LC-10")
async def test_nobody_who_was_revoked_comes_back_with_a_lost_bucket(store: RedisStore) -> None:
    """Its sessions are over, also once a new one has begun the bucket anew; that one lives."""
    old = await make(store, "ann")
    await store.revoke_user("ann")
    await store.client.command("DEL", Keys(store.namespace).bucket(old.key.bucket))
    assert await store.load(old.key) is None
    assert [record.revoked_at is None for record in await store.list_for_user("ann")] == [False]
    new = await make(store, "ann")
    assert await store.load(old.key) is None
    assert await store.load(new.key) is not None
    assert [record.key for record in await store.list_for_user("ann") if record.revoked_at is None] == [new.key]
