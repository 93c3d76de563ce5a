"""A login on a Cluster: from the visitor's bucket to the user's, on one node or across two."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from asgi_session import StoreUnavailable
from asgi_session.ids import new_session_id, store_key, user_bucket
from asgi_session.record import Changes, Record
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from asgi_session.testing.base import facts
from tests.stores.redis.inside import make

USER = "ann"


@pytest.fixture
async def cluster_store(cluster_url: str, namespace: str) -> AsyncIterator[RedisStore]:
    """An empty store on the Cluster."""
    store = RedisStore(RedisClient(cluster_url), namespace=namespace)
    await store.start()
    yield store
    await store.stop()


async def visitor(store: RedisStore, where: str) -> Record:
    """A visitor whose bucket lies on the user's node, or on another one, or is the user's own."""
    names, home = Keys(store.namespace), user_bucket(USER, store.namespace)
    buckets = (f"{number:03x}" for number in count())
    bucket = home
    if where != "same bucket":
        wanted = where == "same node"
        bucket = next(b for b in buckets if b != home and store.client.same_node(names.bucket(b), names.bucket(home)) is wanted)
    return await make(store, key=store_key(new_session_id(bucket)), planted=b"1")


@pytest.mark.parametrize("where", ["same bucket", "same node", "other node"])
@pytest.mark.security("ST-07", "LC-01")
async def test_a_login_moves_to_the_users_bucket(cluster_store: RedisStore, where: str) -> None:
    """The visitor's session is dead, the user's is alive, in the user's slot, and nothing of the first is left there."""
    old = await visitor(cluster_store, where)
    new = await make(cluster_store, USER, a=b"1", replaces=old.key)
    assert new.key.bucket == user_bucket(USER, cluster_store.namespace)
    assert await cluster_store.load(old.key) is None
    assert await cluster_store.commit(old.key, Changes(set={"a": b"2"})) is None
    assert facts(await cluster_store.load(new.key)) == facts(new)
    assert [record.key for record in await cluster_store.list_for_user(USER)] == [new.key]
    assert Keys(cluster_store.namespace).session(old.key) not in {key async for key in cluster_store.client.scan("*")}


async def test_a_crash_between_the_two_steps_leaves_no_old_id_alive(
    cluster_store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visitor loses the session, nobody is logged in, and a second try works."""
    old = await visitor(cluster_store, "other node")
    run = RedisClient.run

    async def run_but_create(self: RedisClient, script, keys, args=()):  # type: ignore[no-untyped-def]
        if script.name == "create":
            raise StoreUnavailable("crashed")
        return await run(self, script, keys, args)

    monkeypatch.setattr(RedisClient, "run", run_but_create)
    with pytest.raises(StoreUnavailable):
        await make(cluster_store, USER, replaces=old.key)
    assert await cluster_store.load(old.key) is None
    assert list(await cluster_store.list_for_user(USER)) == []
    monkeypatch.undo()
    again = await make(cluster_store, USER, replaces=old.key)
    assert await cluster_store.load(again.key) is not None
