"""A script breaks off between two of its writes: what is over is over, and nothing stays for ever.

Or it is refused as a whole: nothing is over, and nobody is told that it is.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from asgi_session import SessionCap, StoreError, StoreUnavailable
from asgi_session.record import Changes, Record
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from asgi_session.testing.base import key_beside
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


ENDS: dict[str, Callable[[RedisStore, Record], Awaitable[object]]] = {
    "logout": lambda store, record: store.destroy(record.key),
    "new id": lambda store, record: store.regenerate(record.key, key_beside(record.key), Changes(), user_id="ann"),
    "login in its place": lambda store, record: make(store, "ben", replaces=record.key),
    "one login too many": lambda store, record: make(store, "ann", cap=SessionCap(1)),
}


@pytest.fixture
def heard(own_redis: RedisServer) -> Iterator[Callable[[], list[str]]]:
    """What everybody was told until now."""
    listener = own_redis.cli.pubsub()
    listener.psubscribe("*")

    def until_now() -> list[str]:
        own_redis.command("PUBLISH", "until", "now")
        told = []
        for message in listener.listen():
            if message["data"] == "now":
                break
            if message["type"] == "pmessage":
                told.append(message["data"].partition(" ")[0])
        return told

    yield until_now
    listener.close()


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.security("LC-11")
async def test_nobody_hears_of_an_end_that_was_refused(
    own_redis: RedisServer, heard: Callable[[], list[str]], namespace: str, how: str
) -> None:
    """A server that takes no writes just now closes no socket of a session that goes on."""
    store = RedisStore(RedisClient(own_redis.url), namespace=namespace)
    record = await make(store, "ann")
    own_redis.command("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(StoreUnavailable):
        await ENDS[how](store, record)
    assert heard() == []
    own_redis.command("CONFIG", "SET", "min-replicas-to-write", 0)
    await ENDS[how](store, record)
    assert heard() == ["ended"]
    await store.stop()
