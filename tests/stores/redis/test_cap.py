"""The cap on a user's sessions, in Redis: what may hide in the index, and who hears of an eviction."""

import asyncio

import pytest

from asgi_session import SessionCap
from asgi_session.ids import user_tag
from asgi_session.record import Record
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.cache.workers import Worker, denial_by, workers
from tests.stores.redis.inside import make
from tests.support.redis_time import let_time_pass

MORE = 1100
"""Than one step looks at."""


async def dead(store: RedisStore, how: str) -> None:
    """Sessions of a user that are over, and are still in the index."""
    for _ in range(MORE // 100):
        await asyncio.gather(*(make(store, "ann", idle=60) for _ in range(100)))
    await (store.revoke_user("ann") if how == "revoked" else let_time_pass(store, 61))


async def entries(store: RedisStore, record: Record) -> int:
    """How many the user's index has."""
    index = Keys(store.namespace).index(record.key.bucket, user_tag("ann", store.namespace))
    return int(await store.client.command("ZCARD", index))


@pytest.mark.parametrize("how", ["revoked", "idle"])
@pytest.mark.security("LC-11")
async def test_no_session_hides_from_the_cap_behind_dead_ones(store: RedisStore, how: str) -> None:
    """Whoever logs in and ends the others again and again gets no further one by it."""
    await dead(store, how)
    made = [await make(store, "ann", cap=SessionCap(3)) for _ in range(10)]
    assert [await store.load(record.key) is not None for record in made] == 7 * [False] + 3 * [True]
    assert await entries(store, made[-1]) <= 1000


@pytest.mark.parametrize("how", ["revoked", "idle"])
@pytest.mark.security("LC-11")
async def test_dead_sessions_keep_nobody_out(store: RedisStore, how: str) -> None:
    """Also where a full cap refuses: otherwise a thief who filled it would keep the owner out after everything was revoked."""
    await dead(store, how)
    made = await make(store, "ann", cap=SessionCap(1, when_full="refuse"))
    assert await store.load(made.key) is not None


@pytest.mark.parametrize(
    "service", [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]
)
@pytest.mark.security("LC-11", "LC-09")
async def test_another_worker_hears_of_who_had_to_make_room(request: pytest.FixtureRequest, service: str, namespace: str) -> None:
    """The one that knows the session so well that it asks nobody serves it no more."""
    url = request.getfixturevalue(service)
    one, other = (Worker(url, namespace, session_cap=SessionCap(1)) for _ in range(2))
    async with workers(one, other):
        credential = await other.meets(await one.manager.create("ann"))
        await one.manager.create("ann")
        assert await denial_by(other, credential) < 0.5  # far below the time for which it would believe its own memory
