"""The end of a session whose id was regenerated a moment ago: it reaches the session, or says that it could not."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from asgi_session import StoreUnavailable
from asgi_session.ids import user_tag
from asgi_session.record import Changes, Record
from asgi_session.redis import RedisClient, Script
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from asgi_session.testing.base import key_beside
from tests.services.cluster import ClusterNode, RedisCluster
from tests.stores.redis.inside import make

End = Callable[[RedisStore, Record], Awaitable[object]]
Hook = Callable[[], Awaitable[None]]

ENDS: dict[str, End] = {
    "destroy": lambda store, record: store.destroy(record.key),
    "revoke": lambda store, record: store.revoke(record.key),
    "replace": lambda store, record: make(store, "ann", replaces=record.key),
}


class ClientWithHook(RedisClient):
    """Does something of the test's after each script."""

    hook: Hook | None = None

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        reply = await super().run(script, keys, args)
        hook, self.hook = self.hook, None
        if hook is not None:
            await hook()
        return reply


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("cluster", marks=pytest.mark.cluster)])
async def store(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[RedisStore]:
    """An empty store that can be interrupted between two scripts."""
    made = RedisStore(ClientWithHook(request.getfixturevalue(f"{request.param}_url")), namespace=namespace)
    yield made
    await made.stop()


async def new_id(store: RedisStore, record: Record) -> Record:
    """The session under its next id."""
    moved = await store.regenerate(record.key, key_beside(record.key), Changes(), user_id="ann")
    assert isinstance(moved, Record)
    return moved


def between_two_tries(store: RedisStore, hook: Hook) -> None:
    """Have something happen after the next script, which finds out where the session is."""
    assert isinstance(store.client, ClientWithHook)
    store.client.hook = hook


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.security("LC-08", "LC-10")
async def test_a_new_id_between_two_tries_is_followed_too(store: RedisStore, end: str) -> None:
    """Another regeneration lands after the end has learnt of the first one: the session ends under its newest id."""
    old = await make(store, "ann", a=b"1")
    new = await new_id(store, old)
    newest: list[Record] = []

    async def once_more() -> None:
        newest.append(await new_id(store, new))

    between_two_tries(store, once_more)
    assert await ENDS[end](store, old)
    assert newest
    assert await store.load(newest[0].key) is None


@pytest.mark.parametrize("end", ENDS)
async def test_a_crash_between_two_tries_leaves_the_session_alive(store: RedisStore, end: str) -> None:
    """Nothing has happened yet, whoever asked is told so, and a second attempt ends it."""
    old = await make(store, "ann", a=b"1")
    new = await new_id(store, old)

    async def crash() -> None:
        raise StoreUnavailable("crashed")

    between_two_tries(store, crash)
    with pytest.raises(StoreUnavailable):
        await ENDS[end](store, old)
    assert await store.load(new.key) is not None
    assert [listed.key for listed in await store.list_for_user("ann")] == [new.key]
    assert await ENDS[end](store, old)
    assert await store.load(new.key) is None


@pytest.mark.parametrize("end", ENDS)
async def test_whoever_can_not_keep_up_says_so(store: RedisStore, end: str) -> None:
    """More new ids than are followed: never taken for a session that is over."""
    old = await make(store, "ann", a=b"1")
    last = old
    for _ in range(20):
        last = await new_id(store, last)
    with pytest.raises(StoreUnavailable, match="still alive"):
        await ENDS[end](store, old)
    assert await store.load(last.key) is not None


# -- while its slot moves -----------------------------------------------------------------------------------------------


def move(source: ClusterNode, target: ClusterNode, keys: Sequence[str]) -> None:
    """Move these keys and no others."""
    source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)


@pytest.fixture
async def cluster_store(cluster_url: str, namespace: str) -> AsyncIterator[RedisStore]:
    """An empty store on the Cluster."""
    made = RedisStore(RedisClient(cluster_url), namespace=namespace)
    yield made
    await made.stop()


def parts(store: RedisStore, old: Record, new: Record) -> dict[str, list[str]]:
    """What may have moved already while the rest has not."""
    names = Keys(store.namespace)
    return {
        "the session": [names.session(new.key)],
        "all but the session": [names.session(old.key), names.bucket(old.key.bucket)],
    }


@pytest.mark.parametrize("end", ["destroy", "revoke"])
@pytest.mark.parametrize("moved", ["the session", "all but the session"])
@pytest.mark.security("LC-08", "LC-10", "ST-07")
async def test_an_end_is_not_lost_while_the_slot_moves(
    cluster: RedisCluster, cluster_store: RedisStore, moved: str, end: str
) -> None:
    """Where the keys are on two nodes, nobody is told that there was no session; once they are together, it ends."""
    old = await make(cluster_store, "ann", a=b"1")
    new = await new_id(cluster_store, old)
    slot = cluster.slot_of(Keys(cluster_store.namespace).bucket(old.key.bucket))
    with cluster.migrating(slot) as (source, target):
        move(source, target, parts(cluster_store, old, new)[moved])
        with pytest.raises(StoreUnavailable):
            await ENDS[end](cluster_store, old)
    assert await ENDS[end](cluster_store, old) is True
    assert await cluster_store.load(new.key) is None
    assert await ENDS[end](cluster_store, old) is False


@pytest.mark.parametrize("first", ["index", "session"])
@pytest.mark.security("LC-08", "ST-07")
async def test_a_logout_does_not_wait_for_the_index(cluster: RedisCluster, cluster_store: RedisStore, first: str) -> None:
    """What lists the session decides nothing: wherever it is while the slot moves, the session ends and is listed no more."""
    record, names = await make(cluster_store, "ann", a=b"1"), Keys(cluster_store.namespace)
    bucket = names.bucket(record.key.bucket)
    session = [names.session(record.key), bucket]
    index = [names.index(record.key.bucket, user_tag("ann", cluster_store.namespace))]
    with cluster.migrating(cluster.slot_of(bucket)) as (source, target):
        move(source, target, index if first == "index" else session)
        assert await cluster_store.destroy(record.key) is True
    assert await cluster_store.load(record.key) is None
    assert list(await cluster_store.list_for_user("ann")) == []
