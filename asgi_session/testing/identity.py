"""A session's new id: the old one is dead, everything else goes along."""

import pytest

from ..codec import MAX_RECORD_BYTES
from ..exceptions import StoreError
from ..record import Changes, Conflict, Record
from ..stores.base import SessionStore
from .base import Contract, facts, key_beside, proves

DESCRIBED = {"network": "192.0.2.0/24", "fingerprint": "Tw9R4uR5Ta8VR33Y0W8KGPeb2zfR6w"}


class IdentityContract(Contract):
    """``regenerate``."""

    @pytest.mark.parametrize("user_id", [None, "ann"])
    @proves("LC-01", "LC-04")
    async def test_a_new_id_kills_the_old_one(self, store: SessionStore, user_id: str | None) -> None:
        """The session is found under its new id only, with the same user, birth, absolute end, metadata and unchanged keys."""
        made = await self.make(store, user_id, {"keep": b"1", "set": b"1", "gone": b"1"}, metadata=DESCRIBED)
        await self.pass_units(store, 2)
        new = key_beside(made.key)
        moved = await store.regenerate(made.key, new, Changes(set={"set": b"2"}, remove=frozenset({"gone"})), user_id=user_id)
        assert isinstance(moved, Record)
        assert await store.load(made.key) is None
        assert facts(await store.load(new)) == facts(moved)
        assert dict(moved.data) == {"keep": b"1", "set": b"2"}
        unchanged = ("user_id", "metadata", "idle_timeout", "expires_at", "authenticated_at")
        assert [facts(moved)[name] for name in unchanged] == [facts(made)[name] for name in unchanged]
        assert moved.version == made.version + 1

    @proves("LC-01", "LC-08")
    async def test_nothing_can_be_done_with_the_old_id(self, store: SessionStore) -> None:
        """No commit, touch or second new id: the old id opens nothing any more, and the session is not hurt."""
        made = await self.make(store, "ann", {"a": b"1"})
        new, newer = key_beside(made.key), key_beside(made.key)
        moved = await store.regenerate(made.key, new, Changes(), user_id="ann")
        assert isinstance(moved, Record)
        assert await store.load(made.key, touch_after=0.0) is None
        assert await store.commit(made.key, Changes(set={"a": b"2"})) is None
        assert await store.regenerate(made.key, newer, Changes(), user_id="ann") is None
        assert await store.load(newer) is None
        assert facts(await store.load(new)) == facts(moved)

    @proves("LC-08", "LC-10")
    async def test_an_end_that_a_new_id_overtook_still_ends_the_session(self, store: SessionStore) -> None:
        """A logout whose request was loaded under an older id, or a login in its place, ends the session under its newest one."""
        for end in ("destroy", "replace"):
            made = await self.make(store, "ann", {"a": b"1"})
            new, newest = key_beside(made.key), key_beside(made.key)
            await store.regenerate(made.key, new, Changes(), user_id="ann")
            await store.regenerate(new, newest, Changes(), user_id="ann")
            if end == "destroy":
                assert await store.destroy(made.key) is True
            else:
                await self.make(store, "ann", {"b": b"2"}, replaces=made.key)
            assert await store.load(newest) is None
            assert await store.destroy(made.key) is False

    @proves("LC-08")
    async def test_a_session_that_ended_gets_no_new_id(self, store: SessionStore) -> None:
        """Regenerating after a logout makes nothing under either id (design rule 2)."""
        made = await self.make(store, "ann", {"a": b"1"})
        await store.destroy(made.key)
        new = key_beside(made.key)
        for changes in (Changes(set={"a": b"2"}), Changes(login={}, idle_timeout=60.0, lifetime=60.0)):
            assert await store.regenerate(made.key, new, changes, user_id="ann") is None
        assert await store.load(new) is None
        assert await store.load(made.key) is None

    @proves("LC-01", "LC-13")
    async def test_a_new_login_goes_on_with_the_session(self, store: SessionStore) -> None:
        """New times and metadata from now on; the keys that it does not name are those that others saved last."""
        made = await self.make(store, "ann", {"a": b"1", "b": b"1"}, absolute=12, metadata=DESCRIBED)
        await store.commit(made.key, Changes(set={"b": b"2", "c": b"2"}))
        await self.pass_units(store, 5)
        new, unit = key_beside(made.key), self.time_unit
        login = Changes(set={"a": b"3"}, login={"user_agent": "other"}, idle_timeout=20 * unit, lifetime=30 * unit)
        moved = await store.regenerate(made.key, new, login, user_id="ann")
        assert isinstance(moved, Record)
        assert await store.load(made.key) is None
        assert facts(await store.load(new)) == facts(moved)
        assert dict(moved.data) == {"a": b"3", "b": b"2", "c": b"2"}
        assert moved.metadata == {"user_agent": "other"}
        assert moved.authenticated_at == moved.last_seen_at >= moved.created_at + 5 * unit - 0.002
        assert moved.idle_timeout == pytest.approx(20 * unit)
        assert moved.expires_at - moved.last_seen_at == pytest.approx(30 * unit, abs=0.002)
        await self.pass_units(store, 15)
        assert await store.load(new) is not None

    @proves("LC-16")
    async def test_a_new_login_is_one_of_its_client(self, store: SessionStore) -> None:
        """The fingerprint is that of the newest login; a record that is as large as it may be has room for it."""
        full = {"a": b"x" * (MAX_RECORD_BYTES - 1)}
        made = await self.make(store, "ann", full, metadata={"fingerprint": "first"})
        described = {**DESCRIBED, "fingerprint": "y" * 62}
        login = Changes(login=described, idle_timeout=20 * self.time_unit, lifetime=30 * self.time_unit)
        moved = await store.regenerate(made.key, key_beside(made.key), login, user_id="ann")
        assert isinstance(moved, Record)
        assert (dict(moved.metadata), dict(moved.data)) == (described, full)
        assert facts(await store.load(moved.key)) == facts(moved)

    @proves("LC-01", "LC-13")
    async def test_a_new_login_finds_a_session_whose_id_changed(self, store: SessionStore) -> None:
        """Another request gave it a new id, and saved a key: neither lost nor left alive beside the login's."""
        made = await self.make(store, "ann", {"a": b"1"})
        between, new = key_beside(made.key), key_beside(made.key)
        await store.regenerate(made.key, between, Changes(set={"b": b"2"}), user_id="ann")
        moved = await store.regenerate(made.key, new, Changes(login={}), user_id="ann")
        assert isinstance(moved, Record)
        assert dict(moved.data) == {"a": b"1", "b": b"2"}
        assert await store.load(between) is None
        assert facts(await store.load(new)) == facts(moved)

    async def test_a_logout_that_a_new_login_overtook_leaves_it_alone(self, store: SessionStore) -> None:
        """As where a login made a session in place of another: whoever just proved who it is, is logged in."""
        made = await self.make(store, "ann", {"a": b"1"})
        new = key_beside(made.key)
        moved = await store.regenerate(made.key, new, Changes(login={}), user_id="ann")
        assert await store.destroy(made.key) is False
        assert isinstance(moved, Record)
        assert facts(await store.load(new)) == facts(moved)

    @pytest.mark.parametrize("seconds", [0.0, -1.0])
    async def test_a_new_login_for_no_time_is_over_at_once(self, store: SessionStore, seconds: float) -> None:
        """Under both ids; and its record says so."""
        made = await self.make(store, "ann", {"a": b"1"})
        new = key_beside(made.key)
        moved = await store.regenerate(made.key, new, Changes(login={}, idle_timeout=seconds, lifetime=seconds), user_id="ann")
        assert isinstance(moved, Record)
        assert moved.deadline <= moved.read_at
        assert await store.load(made.key) is None
        assert await store.load(new) is None

    async def test_a_new_id_that_is_taken_is_refused(self, store: SessionStore) -> None:
        """Neither session is lost or mixed up."""
        made, other = await self.make(store, "ann", {"a": b"1"}), await self.make(store, "ann", {"a": b"2"})
        with pytest.raises(StoreError):
            await store.regenerate(made.key, other.key, Changes(), user_id="ann")
        assert facts(await store.load(other.key)) == facts(other)
        assert facts(await store.load(made.key)) == facts(made)

    @proves("LC-13")
    async def test_a_new_id_with_another_version_is_a_conflict(self, store: SessionStore) -> None:
        """Whoever asked to be told is told, and the session keeps its id."""
        made = await self.make(store, "ann", {"a": b"1"})
        saved = await store.commit(made.key, Changes(set={"a": b"2"}))
        assert isinstance(saved, Record)
        new = key_beside(made.key)
        assert isinstance(await store.regenerate(made.key, new, Changes(if_version=1), user_id="ann"), Conflict)
        assert await store.load(new) is None
        assert facts(await store.load(made.key)) == facts(saved)
        assert isinstance(await store.regenerate(made.key, new, Changes(if_version=2), user_id="ann"), Record)
