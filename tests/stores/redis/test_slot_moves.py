"""A session is asked for while its slot moves: it is there, it is not, or nobody can tell just now."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asgi_session import SessionCap
from asgi_session.ids import user_tag
from asgi_session.record import Changes, Record
from asgi_session.redis import RedisClient
from asgi_session.redis.slots import SlotMoving
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from asgi_session.testing.base import facts, key_beside
from tests.services.cluster import ClusterNode, RedisCluster
from tests.stores.redis.inside import DAY, lives, make


class ClientWithHook(RedisClient):
    """Does something of the test's before each command that is no script."""

    hook: Callable[[], None] = staticmethod(lambda: None)

    async def command(self, *words: Any, key: str | bytes | None = None) -> Any:
        self.hook()
        return await super().command(*words, key=key)


@pytest.fixture
async def client(cluster_url: str) -> AsyncIterator[ClientWithHook]:
    """The Cluster's."""
    made = ClientWithHook(cluster_url)
    yield made
    await made.close()


@pytest.fixture
def store(client: ClientWithHook, namespace: str) -> RedisStore:
    """An empty store on the Cluster."""
    return RedisStore(client, namespace=namespace)


@pytest.fixture
async def record(store: RedisStore) -> Record:
    """A session that lives."""
    return await make(store, "ann", a=b"1")


def move(source: ClusterNode, target: ClusterNode, *keys: str) -> None:
    """Move these keys and no others."""
    source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)


@pytest.mark.security("ST-15")
async def test_an_absent_session_is_absent_while_its_slot_moves(store: RedisStore, cluster: RedisCluster, record: Record) -> None:
    """A dead cookie is refused as at any other time, wherever the bucket is."""
    bucket = Keys(store.namespace).bucket(record.key.bucket)
    dead = key_beside(record.key)
    with cluster.migrating(cluster.slot_of(bucket)) as (source, target):
        assert await store.load(dead, touch_after=0.0) is None
        move(source, target, bucket)
        assert await store.load(dead) is None
        cluster.move_keys(cluster.slot_of(bucket), source, target)
        assert await store.load(dead) is None
    assert await store.load(dead) is None


@pytest.mark.parametrize("moved", ["session", "bucket"])
@pytest.mark.security("ST-07", "ST-15")
async def test_a_session_apart_from_its_bucket_is_never_called_absent(
    store: RedisStore, cluster: RedisCluster, record: Record, moved: str
) -> None:
    """It may be revoked, it may be live: unavailable, until both are in one place again."""
    names = Keys(store.namespace)
    bucket = names.bucket(record.key.bucket)
    with cluster.migrating(cluster.slot_of(bucket)) as (source, target):
        move(source, target, names.session(record.key) if moved == "session" else bucket)
        with pytest.raises(SlotMoving):
            await store.load(record.key)
    assert facts(await store.load(record.key)) == facts(record)


@pytest.mark.security("ST-07", "ST-15")
async def test_a_session_that_moves_between_the_two_questions_is_found(
    store: RedisStore, client: ClientWithHook, cluster: RedisCluster, record: Record
) -> None:
    """It leaves the one node just before it is asked for there: the other one is asked, and has it."""
    names = Keys(store.namespace)
    bucket, session = names.bucket(record.key.bucket), names.session(record.key)
    with cluster.migrating(cluster.slot_of(bucket)) as (source, target):
        move(source, target, bucket)
        client.hook = lambda: move(source, target, session)
        with pytest.raises(SlotMoving):
            await store.load(record.key)
        client.hook = lambda: None
        assert facts(await store.load(record.key)) == facts(record)


@pytest.mark.parametrize("apart", ["session", "index", "bucket and index"])
@pytest.mark.security("ST-07", "ST-15")
async def test_a_session_stays_listed_while_its_slot_moves(
    store: RedisStore, cluster: RedisCluster, record: Record, apart: str
) -> None:
    """Where it can't be told whether a listed session is over, the list is unavailable, and nothing is dropped from it."""
    names = Keys(store.namespace)
    bucket, index = names.bucket(record.key.bucket), names.index(record.key.bucket, user_tag("ann", store.namespace))
    moved = {"session": [names.session(record.key)], "index": [index], "bucket and index": [bucket, index]}
    with cluster.migrating(cluster.slot_of(bucket)) as (source, target):
        move(source, target, *moved[apart])
        with pytest.raises(SlotMoving):
            await store.list_for_user("ann")
        assert await store.cleanup() == 0
    assert [listed.key for listed in await store.list_for_user("ann")] == [record.key]


@pytest.mark.security("LC-01", "ST-15")
async def test_an_extension_is_refused_as_a_whole_while_the_index_is_elsewhere(
    store: RedisStore, cluster: RedisCluster, record: Record
) -> None:
    """The session is as it was, with all its values, until its index can say for how long it has to be listed."""
    names = Keys(store.namespace)
    with cluster.migrating(cluster.slot_of(names.bucket(record.key.bucket))) as (source, target):
        move(source, target, names.index(record.key.bucket, user_tag("ann", store.namespace)))
        with pytest.raises(SlotMoving):
            await store.commit(record.key, Changes(clear=True, lifetime=9 * DAY))
        assert facts(await store.load(record.key)) == facts(record)
    assert isinstance(await store.commit(record.key, Changes(clear=True, lifetime=9 * DAY)), Record)


@pytest.mark.parametrize("end", ["destroy", "revoke"])
@pytest.mark.security("LC-01", "LC-17", "ST-15")
async def test_an_end_reaches_the_session_while_the_index_is_elsewhere(
    store: RedisStore, cluster: RedisCluster, record: Record, end: str
) -> None:
    """It is over at once, and listed accordingly when the slot has moved."""
    names = Keys(store.namespace)
    with cluster.migrating(cluster.slot_of(names.bucket(record.key.bucket))) as (source, target):
        move(source, target, names.index(record.key.bucket, user_tag("ann", store.namespace)))
        assert await (store.destroy(record.key) if end == "destroy" else store.revoke(record.key)) is True
        assert await store.load(record.key) is None
    assert [listed.revoked_at is None for listed in await store.list_for_user("ann")] == ([] if end == "destroy" else [False])


@pytest.mark.security("LC-05", "ST-15")
async def test_a_login_that_is_refused_leaves_no_key_for_ever(store: RedisStore, cluster: RedisCluster, record: Record) -> None:
    """While one of the user's other sessions is on the next node already."""
    names = Keys(store.namespace)
    with cluster.migrating(cluster.slot_of(names.bucket(record.key.bucket))) as (source, target):
        move(source, target, names.session(record.key))
        with pytest.raises(SlotMoving):
            await make(store, "ann")
        assert all(life > 0 for life in (await lives(store)).values())


@pytest.mark.parametrize("apart", ["session", "index", "bucket and index", "everything"])
@pytest.mark.parametrize("cap", [SessionCap(1), SessionCap(3, when_full="refuse")], ids=["evicts", "refuses"])
@pytest.mark.security("LC-11", "ST-15")
async def test_a_cap_takes_nobody_for_dead_while_the_slot_moves(
    store: RedisStore, cluster: RedisCluster, record: Record, cap: SessionCap, apart: str
) -> None:
    """Where nobody can tell how many sessions there are, no login succeeds, nobody has to make room, and nobody is unlisted."""
    names = Keys(store.namespace)
    bucket, index = names.bucket(record.key.bucket), names.index(record.key.bucket, user_tag("ann", store.namespace))
    other = await make(store, "ann")
    sessions = [names.session(each.key) for each in (record, other)]
    moved = {"session": sessions[:1], "index": [index], "bucket and index": [bucket, index]}
    moved["everything"] = [bucket, index, *sessions]
    visitor = await make(store)
    with cluster.migrating(cluster.slot_of(bucket)) as (source, target):
        move(source, target, *moved[apart])
        with pytest.raises(SlotMoving):
            await make(store, "ann", cap=cap, replaces=visitor.key)
    assert all([await store.load(each.key) for each in (record, other)])
    assert {listed.key for listed in await store.list_for_user("ann")} == {record.key, other.key}
