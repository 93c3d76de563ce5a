"""Creating, loading and destroying sessions."""

import pytest

from ..exceptions import StoreError
from ..record import EMPTY, Changes, Draft
from ..stores.base import SessionStore
from .base import Contract, facts, fresh_key, proves

UNUSUAL_NAMES = ["", "name", "d:name", "naïve ключ 键 🔑", "line\r\nbreak\x00nul", "\ud800 lone", "{brace}:*?[x]", "n" * 1000]
UNUSUAL_VALUES = [b"", b"null", b"\x00\xff\r\n$-1\r\n", "значение 🔑".encode(), b"x" * 65_000]


def _short(text: str) -> str:
    return ascii(text[:20])


class StepsContract(Contract):
    """``create``, ``load`` and ``destroy``."""

    async def test_a_good_store_has_no_problems_and_starts_and_stops_twice(self, store: SessionStore) -> None:
        """Start and stop are idempotent, and arguments that work are no problem."""
        assert store.problems() == []
        await store.start()
        await store.stop()
        await store.stop()
        await store.start()
        assert await store.load(fresh_key(store)) is None

    async def test_what_is_created_is_loaded(self, store: SessionStore) -> None:
        """A record comes back as it was made, every field of it."""
        made = await self.make(store, "ann", {"a": b"1", "b": b'"two"'}, metadata={"network": "192.0.2.0/24"})
        loaded = await store.load(made.key)
        assert facts(loaded) == facts(made)
        assert loaded is not None
        assert (loaded.user_id, loaded.version, dict(loaded.data)) == ("ann", 1, {"a": b"1", "b": b'"two"'})
        assert loaded.metadata == {"network": "192.0.2.0/24"}
        assert loaded.created_at == loaded.last_seen_at == loaded.authenticated_at
        assert loaded.idle_timeout == pytest.approx(10 * self.time_unit)
        assert loaded.expires_at - loaded.created_at == pytest.approx(30 * self.time_unit, abs=0.002)
        assert (loaded.revoked_at, loaded.slid_from) == (None, None)

    async def test_a_visitors_session_belongs_to_nobody(self, store: SessionStore) -> None:
        """Without a user there is none, and no time of a login."""
        loaded = await store.load((await self.make(store, None, {"a": b"1"})).key)
        assert loaded is not None
        assert (loaded.user_id, loaded.authenticated_at) == (None, None)

    @proves("LC-02")
    async def test_an_unknown_session_is_absent_and_stays_so(self, store: SessionStore) -> None:
        """Whatever is asked of a session that nobody created makes none."""
        key = fresh_key(store)
        assert await store.load(key) is None
        assert await store.load(key, touch_after=0.0) is None
        assert await store.commit(key, Changes(set={"a": b"1"})) is None
        assert await store.regenerate(key, fresh_key(store)._replace(bucket=key.bucket), Changes(), user_id=None) is None
        assert await store.destroy(key) is False
        assert await store.load(key) is None

    async def test_a_session_without_data_exists(self, store: SessionStore) -> None:
        """Having no data is not the same as being absent."""
        loaded = await store.load((await self.make(store)).key)
        assert loaded is not None
        assert dict(loaded.data) == {}

    @pytest.mark.parametrize("name", UNUSUAL_NAMES, ids=_short)
    async def test_unusual_name_survives(self, store: SessionStore, name: str) -> None:
        """Any string may be a key: empty, of any script, with control characters or lone surrogates."""
        made = await self.make(store, None, {name: b"1"})
        assert await store.commit(made.key, Changes(set={name: b"2"})) is not None
        loaded = await store.load(made.key)
        assert loaded is not None
        assert dict(loaded.data) == {name: b"2"}
        emptied = await store.commit(made.key, Changes(remove=frozenset({name})))
        assert emptied is not None
        assert dict(getattr(emptied, "data")) == {}  # noqa: B009  # no Conflict: no version was asked for

    @pytest.mark.parametrize("value", UNUSUAL_VALUES, ids=lambda value: f"{len(value)}B")
    async def test_unusual_value_survives(self, store: SessionStore, value: bytes) -> None:
        """A value is bytes, whatever they say, up to the size of a record."""
        made = await self.make(store, None, {"a": value})
        loaded = await store.load(made.key)
        assert loaded is not None
        assert loaded.data["a"] == value

    @pytest.mark.parametrize("user_id", ["Zoë 🔑", "a:b{c}*\r\n", "\ud800", "u" * 1000, "0"], ids=_short)
    async def test_unusual_user_survives(self, store: SessionStore, user_id: str) -> None:
        """Any string that isn't empty may name a user."""
        loaded = await store.load((await self.make(store, user_id)).key)
        assert loaded is not None
        assert loaded.user_id == user_id

    async def test_five_thousand_keys_are_no_special_case(self, store: SessionStore) -> None:
        """Many keys are created, changed, removed and cleared in one step each."""
        made = await self.make(store, None, {f"key {n}": b"%d" % n for n in range(5000)})
        removed = frozenset(f"key {n}" for n in range(0, 5000, 2))
        changed = {f"key {n}": b"-%d" % n for n in range(1, 5000, 2)}
        assert await store.commit(made.key, Changes(set=changed, remove=removed)) is not None
        loaded = await store.load(made.key)
        assert loaded is not None
        assert dict(loaded.data) == changed
        assert await store.commit(made.key, Changes(clear=True)) is not None
        cleared = await store.load(made.key)
        assert cleared is not None
        assert dict(cleared.data) == {}

    @proves("ST-12")
    async def test_nothing_is_shared_with_the_caller(self, store: SessionStore) -> None:
        """What a caller does to a mapping that it gave or got never reaches another caller."""
        data, metadata = {"a": b"1"}, {"network": "192.0.2.0/24"}
        made = await self.make(store, None, data, metadata=metadata)
        changes = {"b": b"2"}
        await store.commit(made.key, Changes(set=changes))
        loaded = await store.load(made.key)
        assert loaded is not None
        for mapping in (data, metadata, changes, loaded.data, loaded.metadata):
            if isinstance(mapping, dict):
                mapping.clear()
        again = await store.load(made.key)
        assert again is not None
        assert (dict(again.data), dict(again.metadata)) == ({"a": b"1", "b": b"2"}, {"network": "192.0.2.0/24"})

    async def test_an_id_that_is_taken_is_refused(self, store: SessionStore) -> None:
        """A repeated id (a broken random source) never gives one client the session of another."""
        first = await self.make(store, "ann", {"a": b"1"})
        with pytest.raises(StoreError):
            await store.create(first.key, Draft("ben", 10 * self.time_unit, 30 * self.time_unit, EMPTY))
        assert facts(await store.load(first.key)) == facts(first)

    @proves("LC-01")
    async def test_a_login_ends_the_session_that_it_replaces(self, store: SessionStore) -> None:
        """The visitor's session is gone when the user's is there; replacing one that is gone already does no harm."""
        visitor = await self.make(store, None, {"planted": b"1"})
        user = await self.make(store, "ann", {"a": b"1"}, replaces=visitor.key)
        assert await store.load(visitor.key) is None
        assert await store.commit(visitor.key, Changes(set={"a": b"1"})) is None
        assert facts(await store.load(user.key)) == facts(user)
        again = await self.make(store, "ann", {"a": b"2"}, replaces=visitor.key)
        assert facts(await store.load(again.key)) == facts(again)

    @proves("LC-01")
    async def test_a_second_login_replaces_the_first(self, store: SessionStore) -> None:
        """Also where both belong to one user, and so to one bucket."""
        first = await self.make(store, "ann")
        second = await self.make(store, "ann", replaces=first.key)
        assert await store.load(first.key) is None
        assert facts(await store.load(second.key)) == facts(second)

    @proves("LC-07", "LC-17")
    async def test_destroy_is_idempotent(self, store: SessionStore) -> None:
        """The first call ends the session and says so; the second finds nothing and says that."""
        made = await self.make(store, "ann", {"a": b"1"})
        other = await self.make(store, "ann", {"a": b"2"})
        assert await store.destroy(made.key) is True
        assert await store.destroy(made.key) is False
        assert await store.load(made.key) is None
        assert facts(await store.load(other.key)) == facts(other)
