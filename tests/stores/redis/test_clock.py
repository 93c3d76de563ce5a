"""Time on Redis: the server's clock rules, also when it steps."""

import time

import pytest

from asgi_session.record import Changes, Record
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.store import REVOKED_IS_LISTED
from asgi_session.testing.base import facts
from tests.stores.redis.inside import DAY, content, make
from tests.support.redis_time import let_time_pass


@pytest.mark.security("LC-06")
async def test_the_servers_clock_rules(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose clock is years off makes, finds and ends sessions like any other."""
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: 1.0)
    record = await make(store, "ann", idle=100)
    assert record.created_at >= before - 1
    assert facts(await store.load(record.key)) == facts(record)
    await let_time_pass(store, 100)
    assert await store.load(record.key) is None


@pytest.mark.security("LC-06")
async def test_a_server_clock_set_back_extends_nothing(store: RedisStore) -> None:
    """A save and a touch while the clock is behind move neither deadline."""
    record = await make(store, "ann", idle=100, absolute=1000)
    await let_time_pass(store, -60)
    touched = await store.load(record.key, touch_after=0)
    await store.touch([record.key])
    saved = await store.commit(record.key, Changes(set={"a": b"1"}))
    assert isinstance(saved, Record)
    assert touched is not None
    assert touched.deadline == saved.deadline
    assert saved.deadline - saved.created_at == pytest.approx(100)
    await let_time_pass(store, 60 + 100)
    assert await store.load(record.key) is None


@pytest.mark.security("LC-10")
async def test_revocation_holds_while_the_servers_clock_is_behind(store: RedisStore) -> None:
    """What was issued before a revocation is ended by it, what comes after lives, whatever the clock says."""
    before = await make(store, "ann")
    await let_time_pass(store, -3600)
    await store.revoke_user("ann")
    after = await make(store, "ann")
    assert await store.load(before.key) is None
    assert facts(await store.load(after.key)) == facts(after)
    await store.revoke_all()
    last = await make(store, "ann")
    assert await store.load(after.key) is None
    assert await store.load(last.key) is not None


@pytest.mark.security("PR-02")
@pytest.mark.parametrize("how", ["revoke", "revoke_user"])
async def test_a_revoked_session_is_listed_for_a_day(store: RedisStore, how: str) -> None:
    """Then it is forgotten, also where it could have lived for longer; an operator's revocation takes its data at once."""
    record = await make(store, "ann", idle=10 * DAY, absolute=10 * DAY, secret=b"canary")
    await (store.revoke(record.key) if how == "revoke" else store.revoke_user("ann"))
    assert how == "revoke_user" or "canary" not in repr(await content(store))
    await let_time_pass(store, REVOKED_IS_LISTED - 60)
    [listed] = await store.list_for_user("ann")
    assert listed.revoked_at is not None
    assert dict(listed.data) == {}
    await let_time_pass(store, 61)
    assert list(await store.list_for_user("ann")) == []


async def test_a_revocation_does_not_lengthen_a_life(store: RedisStore) -> None:
    """A session that had a minute left is listed for a minute."""
    record = await make(store, "ann", idle=60, absolute=60)
    await store.revoke(record.key)
    await let_time_pass(store, 60)
    assert list(await store.list_for_user("ann")) == []
