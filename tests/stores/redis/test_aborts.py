"""A script breaks off between two of its writes: what is over is over, and nothing stays for ever."""

from collections.abc import AsyncIterator

import pytest

from asgi_session import StoreError
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.services.redis import RedisServer
from tests.stores.redis.inside import keys, lives, make

EVERYTHING = ("~*", "&*", "+@all")


@pytest.fixture
async def limited(redis_server: RedisServer, redis_store: RedisStore) -> AsyncIterator[RedisStore]:
    """The same store, as a user whose rights a test takes away."""
    redis_server.command("ACL", "SETUSER", "limited", "on", ">password", *EVERYTHING)
    made = RedisStore(RedisClient(redis_server.url.replace("://", "://limited:password@")), namespace=redis_store.namespace)
    yield made
    await made.stop()
    redis_server.command("ACL", "DELUSER", "limited")


@pytest.mark.security("LC-05")
async def test_a_creation_that_breaks_off_leaves_no_key_for_ever(redis_server: RedisServer, limited: RedisStore) -> None:
    """Its first fields have their TTL before the index is reached."""
    redis_server.command("ACL", "SETUSER", "limited", "-zadd")
    with pytest.raises(StoreError):
        await make(limited, "ann", a=b"1")
    left = await lives(limited)
    assert left
    assert all(life > 0 for life in left.values()), left


@pytest.mark.parametrize("how", ["destroy", "replace"])
@pytest.mark.security("LC-01", "LC-17")
async def test_an_end_does_not_hang_on_the_index(
    redis_server: RedisServer, redis_store: RedisStore, limited: RedisStore, how: str
) -> None:
    """Where the index can't be changed, the session has ended nevertheless."""
    record = await make(limited, "ann")
    redis_server.command("ACL", "SETUSER", "limited", "-zrem")
    await (limited.destroy(record.key) if how == "destroy" else make(limited, replaces=record.key))
    assert await redis_store.load(record.key) is None
    assert not any(record.key.digest in key for key in await keys(redis_store))
