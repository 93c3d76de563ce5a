"""Nothing in Redis grows without a bound."""

from itertools import count, islice

import pytest

from asgi_session.ids import user_bucket
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.services.redis import RedisServer
from tests.stores.redis.inside import DAY, make
from tests.support.redis_time import let_time_pass

HOUR = 3600.0


async def indexed(store: RedisStore, bucket: str) -> int:
    """Entries in the one index of the bucket."""
    [index] = [key async for key in store.client.scan(f"{store.namespace}:{{{bucket}}}:u:*")]
    return int(await store.client.command("ZCARD", index))


async def test_an_index_is_cleaned_by_those_who_use_it(store: RedisStore) -> None:
    """Sessions that expire one by one leave no entries behind while the user keeps logging in."""
    long = await make(store, "ann", idle=100 * DAY, absolute=100 * DAY)
    for _ in range(20):
        for _ in range(2):
            await make(store, "ann", idle=60, absolute=60)
        await let_time_pass(store, 61)
    assert await indexed(store, long.key.bucket) <= 3


async def test_an_index_is_cleaned_of_what_nobody_used(redis_store: RedisStore) -> None:
    """Also before the absolute end of sessions that were left alone, where an absent key is proof enough."""
    for _ in range(20):
        last = await make(redis_store, "ann", idle=60, absolute=DAY)
        await let_time_pass(redis_store, 61)
    assert await indexed(redis_store, last.key.bucket) <= 3


async def test_a_list_cleans_the_index_that_it_reads(redis_store: RedisStore) -> None:
    """What has expired is dropped from it."""
    long = await make(redis_store, "ann", idle=DAY, absolute=DAY)
    for _ in range(9):
        await make(redis_store, "ann", idle=60, absolute=60)
    await let_time_pass(redis_store, 61)
    assert [record.key for record in await redis_store.list_for_user("ann")] == [long.key]
    assert await indexed(redis_store, long.key.bucket) == 1


async def test_a_list_is_bounded(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs in again and again gets a list of the newest, also where most of what is listed has expired by itself."""
    monkeypatch.setattr("asgi_session.stores.redis.store.MAX_LISTED", 3)
    made = [await make(store, "ann", absolute=DAY + number, a=b"1") for number in range(7)]
    asked = [record.key for record in await store.list_for_user("ann")]
    assert asked == [record.key for record in reversed(made[-3:])]
    for _ in range(20):
        await make(store, "ann", idle=60, absolute=2 * DAY)
    await let_time_pass(store, 61)
    assert [record.key for record in await store.list_for_user("ann")] == asked


async def test_a_list_reads_no_values(redis_store: RedisStore, redis_server: RedisServer) -> None:
    """What it costs does not grow with what is in the sessions."""
    await make(redis_store, "ann", a=b"1")
    with redis_server.traffic() as traffic:
        assert [dict(listed.data) for listed in await redis_store.list_for_user("ann")] == [{}]
    assert "hgetall" not in traffic.commands


async def test_cleanup_says_how_much_went(store: RedisStore) -> None:
    """It drops what lists expired sessions, of all users on all nodes."""
    for user in ("ann", "ben", "cid", "dan"):
        await make(store, user, idle=DAY, absolute=DAY)
        for _ in range(3):
            await make(store, user, idle=60, absolute=60)
    await let_time_pass(store, 61)
    gone = await store.cleanup()
    assert 4 <= gone <= 12
    assert await store.cleanup() == 0
    assert (await store.stats()).sessions == 4


async def test_epochs_that_revoke_nothing_any_more_are_forgotten(redis_store: RedisStore) -> None:
    """A bucket keeps the epochs of its users only as long as a session could be older."""
    users = list(
        islice((name for name in (f"user {n}" for n in count()) if user_bucket(name, redis_store.namespace) == "123"), 258)
    )
    for user in users:
        await make(redis_store, user, idle=HOUR, absolute=HOUR)
        await redis_store.revoke_user(user)
    bucket = Keys(redis_store.namespace).bucket("123")
    assert await redis_store.client.command("HLEN", bucket) > 256
    for _ in range(27):
        last = await make(redis_store, users[0], idle=HOUR, absolute=HOUR)
        await let_time_pass(redis_store, HOUR - 60)
    await redis_store.revoke_user(users[0])
    assert await redis_store.load(last.key) is None
    assert await redis_store.client.command("HLEN", bucket) < 10
