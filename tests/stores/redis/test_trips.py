"""Round trips to a real server, counted by the server (design rule 7)."""

from collections.abc import Awaitable, Callable

import pytest

from asgi_session.record import Changes, Record
from asgi_session.session_cap import SessionCap
from asgi_session.stores.redis import RedisStore
from asgi_session.testing.base import key_beside
from tests.services.redis import RedisServer, Traffic
from tests.stores.redis.inside import make

Step = Callable[[RedisStore, Record], Awaitable[object]]

STEPS: dict[str, Step] = {
    "load": lambda store, record: store.load(record.key),
    "load and touch": lambda store, record: store.load(record.key, touch_after=0.0),
    "load of nothing": lambda store, record: store.load(key_beside(record.key)),
    "commit": lambda store, record: store.commit(record.key, Changes(set={"b": b"2"}, remove=frozenset({"a"}))),
    "create": lambda store, record: make(store, a=b"1"),
    "login": lambda store, record: make(store, "ann", a=b"1", replaces=record.key),
    "login under a cap": lambda store, record: make(store, "ann", a=b"1", replaces=record.key, cap=SessionCap(50)),
    "regenerate": lambda store, record: store.regenerate(record.key, key_beside(record.key), Changes(), user_id=None),
    "destroy": lambda store, record: store.destroy(record.key),
    "revoke": lambda store, record: store.revoke(record.key),
    "list": lambda store, record: store.list_for_user("ann"),
    "revoke user": lambda store, record: store.revoke_user("ann"),
    "revoke others": lambda store, record: store.revoke_user("ann", keep=record.key),
}


@pytest.fixture
async def warm_store(redis_store: RedisStore) -> RedisStore:
    """A store whose connection is open and whose scripts the server knows, with many sessions in it."""
    for step in STEPS.values():
        await step(redis_store, await make(redis_store, a=b"1"))
    for _ in range(100):
        await make(redis_store, "ann")
    return redis_store


@pytest.mark.parametrize("name", STEPS)
async def test_each_step_is_one_trip(warm_store: RedisStore, redis_server: RedisServer, name: str) -> None:
    """One script and one packet, however many keys and sessions are concerned."""
    record = await make(warm_store, a=b"1")
    with redis_server.traffic() as seen:
        await STEPS[name](warm_store, record)
    assert (one_script(seen), seen.reads) == (1, 1)


async def test_steps_of_one_loop_turn_share_a_trip(warm_store: RedisStore, redis_server: RedisServer) -> None:
    """A batch of touches is one packet."""
    records = [await make(warm_store) for _ in range(50)]
    await warm_store.touch([records[0].key])
    with redis_server.traffic() as seen:
        await warm_store.touch([record.key for record in records])
    assert (one_script(seen), seen.reads) == (50, 1)


async def test_a_server_that_forgot_the_scripts_is_told_them_again(warm_store: RedisStore, redis_server: RedisServer) -> None:
    """A restart costs one more trip per script, and nobody notices."""
    record = await make(warm_store, a=b"1")
    redis_server.command("SCRIPT FLUSH")
    with redis_server.traffic() as seen:
        assert await warm_store.load(record.key) is not None
        assert await warm_store.load(record.key) is not None
    assert (seen.commands["evalsha"], seen.commands["eval"], seen.reads) == (2, 1, 3)


def one_script(seen: Traffic) -> int:
    """Scripts run by their digest; none was sent as a source."""
    assert "eval" not in seen.commands
    return seen.commands["evalsha"]
