"""A bucket or a session is lost, by eviction or by hand: revocations hold, and reach those who still have it in their memory."""

from collections.abc import Awaitable, Callable

import pytest

from asgi_session.ids import parse_handle
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.cache.workers import Worker, denial_by, workers
from tests.stores.redis.inside import keys, make

AT_ONCE = 0.5
"""Seconds: far below those for which the other worker would believe its own memory."""
REVOCATIONS: dict[str, Callable[[Worker, str], Awaitable[object]]] = {
    "revoke": lambda worker, credential: worker.manager.revoke(credential),
    "revoke user": lambda worker, credential: worker.manager.revoke_user("ann"),
    "revoke all": lambda worker, credential: worker.manager.revoke_all(),
}


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


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("cluster", marks=pytest.mark.cluster)])
def url(request: pytest.FixtureRequest) -> str:
    """One server, and a Cluster."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.mark.parametrize("lost", ["the session", "everything"])
@pytest.mark.parametrize("how", REVOCATIONS)
@pytest.mark.security("LC-09", "LC-10")
async def test_what_the_store_has_lost_can_be_revoked_elsewhere(url: str, namespace: str, how: str, lost: str) -> None:
    """A worker that serves the session from its memory hears of the revocation, though Redis has nothing left to revoke."""
    one, other = Worker(url, namespace), Worker(url, namespace)
    async with workers(one, other):
        made = await one.manager.create("ann")
        credential = await other.meets(made)
        key = parse_handle(made.handle)
        assert key is not None
        for name in await keys(one.store) if lost == "everything" else [Keys(namespace).session(key)]:
            await one.store.client.command("DEL", name)
        await REVOCATIONS[how](one, credential)
        assert await denial_by(other, credential) < AT_ONCE
