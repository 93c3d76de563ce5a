"""What lies in Redis: names, lives, slots, and nothing that opens anything."""

import re
import time
from collections.abc import Awaitable, Callable

import pytest

from asgi_session import SessionManager
from asgi_session.ids import parse_handle, user_bucket, user_tag
from asgi_session.record import Changes
from asgi_session.redis import RedisClient
from asgi_session.redis.slots import slot_of
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from asgi_session.testing.base import fresh_key, key_beside
from tests.cache.workers import until
from tests.stores.redis.inside import DAY, content, keys, lives, make
from tests.support.redis_time import let_time_pass

Step = Callable[[RedisStore], Awaitable[object]]


async def login(store: RedisStore) -> None:
    """From a visitor to a user."""
    visitor = await make(store, a=b"1")
    await make(store, "ann", replaces=visitor.key)


async def save(store: RedisStore) -> None:
    """Set one key, remove another."""
    await store.commit((await make(store, "ann", a=b"1")).key, Changes(set={"b": b"2"}, remove=frozenset({"a"})))


async def extend(store: RedisStore) -> None:
    """Give a short session two days."""
    await store.commit((await make(store, "ann", idle=60, absolute=60)).key, Changes(idle_timeout=2 * DAY, lifetime=2 * DAY))


async def touch(store: RedisStore) -> None:
    """Slide, alone and in a batch."""
    record = await make(store, "ann")
    await store.load(record.key, touch_after=0.0)
    await store.touch([record.key])


async def regenerate(store: RedisStore) -> None:
    """A new id, for a visitor and a user."""
    for user in (None, "ann"):
        record = await make(store, user)
        await store.regenerate(record.key, key_beside(record.key), Changes(set={"a": b"1"}), user_id=user)


async def destroy(store: RedisStore) -> None:
    """Log out."""
    await store.destroy((await make(store, "ann")).key)


async def revoke(store: RedisStore) -> None:
    """By an operator's hand, a session that had a minute left."""
    await store.revoke((await make(store, "ann", idle=60, absolute=60)).key)


async def revoke_user(store: RedisStore) -> None:
    """All others of a user; and all of somebody who has none."""
    kept = await make(store, "ann")
    await store.revoke_user("ann", keep=kept.key)
    await store.revoke_user("nobody")


async def revoke_all(store: RedisStore) -> None:
    """Everybody."""
    await make(store, "ann")
    await store.revoke_all()


async def ask_for_what_is_not_there(store: RedisStore) -> None:
    """Every step, on sessions and users that nobody ever saw."""
    key = fresh_key(store, "ann")
    await store.load(key, touch_after=0.0)
    await store.touch([key])
    await store.commit(key, Changes(set={"a": b"1"}))
    await store.regenerate(key, key_beside(key), Changes(), user_id="ann")
    await store.destroy(key)
    await store.revoke(key)
    await store.revoke_user("ann")
    await store.revoke_all()
    await store.list_for_user("ann")
    await store.cleanup()
    await make(store, "ann", idle=0)


STEPS: list[Step] = [login, save, extend, touch, regenerate, destroy, revoke, revoke_user, revoke_all]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.security("LC-05")
async def test_every_key_has_an_end(store: RedisStore, step: Step) -> None:
    """After each step no key is there for ever, none outlives the longest session by more than its bucket's minute."""
    await step(store)
    left = await lives(store)
    assert left
    assert all(0 < life <= 2 * DAY * 1000 + 60_000 for life in left.values()), left


@pytest.mark.security("LC-02", "ID-14")
async def test_asking_for_nothing_leaves_nothing(store: RedisStore) -> None:
    """No step on a session that is absent makes a key."""
    await ask_for_what_is_not_there(store)
    assert await keys(store) == set()


@pytest.mark.security("LC-05")
async def test_a_session_lives_no_longer_than_its_nearest_end(store: RedisStore) -> None:
    """Its key's life is the idle timeout, or what is left of the absolute one."""
    record = await make(store, idle=100, absolute=150)
    name = Keys(store.namespace).session(record.key)
    assert 99_000 < (await lives(store))[name] <= 100_000
    await let_time_pass(store, 80)
    await store.load(record.key, touch_after=10)
    assert 69_000 < (await lives(store))[name] <= 70_000


@pytest.mark.security("LC-05")
async def test_expiry_is_decided_from_the_record(store: RedisStore) -> None:
    """A key that Redis forgot to expire is a session that has ended nevertheless."""
    record = await make(store, "ann", idle=100, a=b"1")
    assert await store.client.command("PERSIST", Keys(store.namespace).session(record.key)) == 1
    await let_time_pass(store, 99)
    assert await store.load(record.key) is not None
    await let_time_pass(store, 1)
    assert await store.load(record.key) is None
    assert await store.commit(record.key, Changes(lifetime=DAY)) is None
    assert await store.regenerate(record.key, key_beside(record.key), Changes(), user_id="ann") is None
    assert list(await store.list_for_user("ann")) == []
    assert await store.revoke(record.key) is False


async def test_a_bucket_outlives_its_sessions(store: RedisStore) -> None:
    """And so do its epochs, whatever happens between: a revoked session never comes back while its key could be there."""
    for user, step in (("ann", store.revoke_user("ann")), ("ben", store.revoke_all())):
        record = await make(store, user, idle=10 * DAY, absolute=10 * DAY)
        await step
        for _ in range(9):
            await make(store, user, idle=60, absolute=60)
            await let_time_pass(store, 1.1 * DAY)
            assert await store.load(record.key) is None
        assert Keys(store.namespace).bucket(record.key.bucket) in await keys(store)
        await store.client.command("PERSIST", Keys(store.namespace).session(record.key))
        await let_time_pass(store, 0.1 * DAY)
        assert await store.load(record.key) is None


async def test_the_index_outlives_its_sessions(store: RedisStore) -> None:
    """A long session stays listed while short ones come and go, also one that was lengthened."""
    first = await make(store, "ann", idle=10 * DAY, absolute=10 * DAY)
    second = await make(store, "ann", idle=60, absolute=60)
    await store.commit(second.key, Changes(idle_timeout=20 * DAY, lifetime=20 * DAY))
    for _ in range(4):
        await make(store, "ann", idle=60, absolute=60)
        await let_time_pass(store, 2 * DAY)
    assert {record.key for record in await store.list_for_user("ann")} == {first.key, second.key}
    await let_time_pass(store, 4 * DAY)
    assert [record.key for record in await store.list_for_user("ann")] == [second.key]


@pytest.mark.security("ST-07")
async def test_everything_of_a_user_lies_in_one_slot(store: RedisStore) -> None:
    """Sessions, index and epochs share the bucket's hash tag."""
    for number in range(3):
        record = await make(store, "ann")
        if number:
            await store.regenerate(record.key, key_beside(record.key), Changes(), user_id="ann")
    await store.revoke_user("ann", keep=record.key)
    found = await keys(store)
    assert len(found) == 7  # the bucket, the index, three sessions, and where the two old ids went
    assert len({slot_of(key) for key in found}) == 1
    assert all(f":{{{user_bucket('ann', store.namespace)}}}:" in key for key in found)


@pytest.mark.security("ID-15", "LG-01")
async def test_no_key_and_no_value_opens_a_session(store: RedisStore) -> None:
    """Neither the credential, nor the id in it, nor its signature, nor a user's name in a key: all that Redis has is searched."""
    manager = SessionManager("secret" * 8, store=store)
    sessions = [await manager.create(user, {"a": 1}) for user in (None, "ann@example.org")]
    for session in sessions:
        assert session.credential is not None
        await manager.update(session.credential, {"b": 2})
        await manager.validate(session.credential)
    await manager.revoke_user("ann@example.org")
    found = repr(await content(store))
    for session in sessions:
        assert session.credential is not None
        session_id, _, signature = session.credential.partition(".")
        for canary in (session.credential, session_id, session_id[3:], signature):
            assert canary not in found
        assert str(parse_handle(session.handle).digest) in found  # the search does find what is there
    assert not any("ann" in key for key in await keys(store))


async def test_keys_are_as_documented(store: RedisStore) -> None:
    """Three kinds, in the store's namespace; operators write patterns for them."""
    record = await make(store, "ann", a=b"1")
    names, tag = Keys(store.namespace), user_tag("ann", store.namespace)
    bucket = record.key.bucket
    assert await keys(store) == {names.session(record.key), names.bucket(bucket), names.index(bucket, tag)}
    prefix = re.escape(store.namespace) + r":\{[0-3][0-9a-f]{2}\}:"
    assert all(re.fullmatch(prefix + r"(s:[A-Za-z0-9_-]{43}|b|u:[A-Za-z0-9_-]{22})", key) for key in await keys(store))
    fields = (await content(store))[names.session(record.key)]
    assert set(fields) == {b"v", b"u", b"t", b"c", b"l", b"i", b"x", b"n", b"g", b"a", b"d:a"}


@pytest.mark.security("LC-09")
async def test_databases_share_no_news(redis_url: str, namespace: str) -> None:
    """Channels know no databases: what is revoked in one of them closes no socket of another, and is heard in its own."""
    url = redis_url.removesuffix("/0")
    here, there, same = (RedisStore(RedisClient(f"{url}/{database}"), namespace=namespace) for database in (0, 1, 1))
    heard: dict[RedisStore, list[object]] = {here: [], same: []}
    for store, news in heard.items():
        await store.link.start()
        await until(lambda store=store: store.link.lease("000").until > time.monotonic(), "the link is up", seconds=10)  # type: ignore[misc]
        store.link.listen(news.append)
    await there.revoke_user("ann")
    await here.revoke_user("ben")  # told to its own listeners at once; what came before it over the wire is here before its echo
    await until(lambda: len(heard[here]) > 1 and len(heard[same]) > 0, "the news are here", seconds=10)
    tags = {name: user_tag(name, namespace) for name in ("ann", "ben")}
    assert {news.subject for news in heard[here]} == {tags["ben"]}  # type: ignore[attr-defined]
    assert {news.subject for news in heard[same]} == {tags["ann"]}  # type: ignore[attr-defined]
    for store in heard:
        await store.link.stop()
    for store in (here, there, same):
        await store.stop()


async def test_namespaces_share_a_server_and_nothing_else(redis_url: str) -> None:
    """Neither sessions nor revocations nor counts cross over."""
    client = RedisClient(redis_url)
    one, other = RedisStore(client, namespace="one"), RedisStore(client, namespace="one.other")
    record = await make(one, "ann")
    theirs = await make(other, "ann")
    assert await other.load(record.key) is None
    await other.revoke_all()
    assert await one.load(record.key) is not None
    assert (await one.stats()).sessions == (await other.stats()).sessions == 1
    assert list(await one.list_for_user("ann")) != list(await other.list_for_user("ann"))
    await one.destroy(theirs.key)
    assert (await other.stats()).sessions == 1
    await client.close()
