"""Steps of two stores on one session, in every order: what the stores promise each other without any request around them."""

from collections.abc import Awaitable, Callable

import pytest

from asgi_session.record import Changes, Draft, Record
from asgi_session.testing.base import fresh_key, key_beside
from tests.races.workers import Workers
from tests.support.interleaving import Schedule, SteppedStore

Step = Callable[[SteppedStore, Record], Awaitable[object]]

SIGNS_OF_LIFE: dict[str, Step] = {
    "touching load": lambda store, record: store.load(record.key, touch_after=0.0),
    "touch": lambda store, record: store.touch([record.key]),
    "commit": lambda store, record: store.commit(record.key, Changes(set={"a": b"2"}, lifetime=1e6, idle_timeout=1e6)),
    "new id": lambda store, record: store.regenerate(record.key, key_beside(record.key), Changes(), user_id=record.user_id),
}
ENDS: dict[str, Step] = {
    "destroy": lambda store, record: store.destroy(record.key),
    "revoke": lambda store, record: store.revoke(record.key),
    "revoke_user": lambda store, record: store.revoke_user(record.user_id),
    "revoke_all": lambda store, record: store.revoke_all(),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("life", SIGNS_OF_LIFE)
@pytest.mark.security("LC-08", "LC-10")
async def test_no_sign_of_life_undoes_an_end(workers: Workers, life: str, end: str) -> None:
    """A touch, a commit or a new id that races the end of a session leaves nothing alive, neither under the old id nor the new."""
    first, second = workers.stores[0], workers.stores[workers.second]

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        record = await first.inner.create(fresh_key(first.inner, name), Draft(name, 600.0, 600.0, {"a": b"1"}))
        await schedule.run({"life": lambda: SIGNS_OF_LIFE[life](first, record), "end": lambda: ENDS[end](second, record)})
        assert await first.inner.load(record.key) is None
        live = [listed for listed in await first.inner.list_for_user(name) if listed.revoked_at is None]
        assert live == []

    await workers.race(scenario, at_least=2)
