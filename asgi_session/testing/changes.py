"""Commits: single keys, all or nothing, and never a session out of nothing."""

import pytest

from ..codec import MAX_RECORD_BYTES
from ..exceptions import SessionValueError
from ..record import Changes, Conflict, Record
from ..stores.base import SessionStore
from .base import Contract, facts, key_beside, proves


class ChangesContract(Contract):
    """``commit``."""

    async def test_commit_changes_the_keys_it_names(self, store: SessionStore) -> None:
        """Set and removed keys change, all others stay, the version grows by one, and the answer is what is stored."""
        made = await self.make(store, "ann", {"keep": b"1", "set": b"1", "gone": b"1"})
        changes = Changes(set={"set": b"2", "new": b"3"}, remove=frozenset({"gone", "never there"}))
        saved = await self.commit(store, made, changes)
        assert dict(saved.data) == {"keep": b"1", "set": b"2", "new": b"3"}
        assert saved.version == 2
        assert facts(await store.load(made.key)) == facts(saved)
        assert (saved.user_id, saved.created_at, saved.expires_at) == (made.user_id, made.created_at, made.expires_at)

    async def test_a_key_that_is_removed_and_set_is_set(self, store: SessionStore) -> None:
        """By one and the same commit: what it removes goes first, as with ``clear``."""
        made = await self.make(store, None, {"a": b"1"})
        saved = await self.commit(store, made, Changes(set={"a": b"2"}, remove=frozenset({"a"})))
        assert dict(saved.data) == {"a": b"2"}

    @proves("LC-13")
    async def test_commits_of_different_keys_are_both_kept(self, store: SessionStore) -> None:
        """Two requests that loaded the same session change different keys: neither change is lost (design rule 3)."""
        made = await self.make(store, None, {"a": b"0", "b": b"0"})
        await self.commit(store, made, Changes(set={"a": b"1"}))
        last = await self.commit(store, made, Changes(set={"b": b"1"}))
        assert dict(last.data) == {"a": b"1", "b": b"1"}

    async def test_of_two_commits_of_one_key_the_last_wins(self, store: SessionStore) -> None:
        """Without a version asked for, the same key is nobody's in particular."""
        made = await self.make(store, None, {"a": b"0"})
        await self.commit(store, made, Changes(set={"a": b"1"}))
        assert dict((await self.commit(store, made, Changes(set={"a": b"2"}))).data) == {"a": b"2"}

    async def test_clear_drops_what_another_request_added(self, store: SessionStore) -> None:
        """Clearing means every key, also one that the clearing request never saw; what it sets stays."""
        made = await self.make(store, None, {"old": b"0"})
        await self.commit(store, made, Changes(set={"unseen": b"1"}))
        assert dict((await self.commit(store, made, Changes(clear=True, set={"new": b"2"}))).data) == {"new": b"2"}

    @proves("LC-13")
    async def test_commit_with_another_version_is_a_conflict(self, store: SessionStore) -> None:
        """A request that asked to be told is told, and nothing of it is saved; with the right version it is saved."""
        made = await self.make(store, None, {"a": b"0"})
        first = await self.commit(store, made, Changes(set={"a": b"1"}, if_version=1))
        refused = await store.commit(made.key, Changes(set={"a": b"2"}, clear=True, if_version=1))
        assert isinstance(refused, Conflict)
        assert facts(await store.load(made.key)) == facts(first)
        assert (await self.commit(store, made, Changes(set={"a": b"3"}, if_version=2))).version == 3

    @proves("LC-08")
    async def test_commit_after_destroy_recreates_nothing(self, store: SessionStore) -> None:
        """A request that outlived its session saves nothing, is told so, and every time again (design rule 2)."""
        made = await self.make(store, "ann", {"a": b"0"})
        await store.destroy(made.key)
        for changes in (Changes(set={"a": b"1"}), Changes(clear=True), Changes(lifetime=60.0), Changes(if_version=1)):
            assert await store.commit(made.key, changes) is None
            assert await store.load(made.key) is None

    async def test_commit_can_give_a_session_other_timeouts(self, store: SessionStore) -> None:
        """A new idle timeout and a new absolute end, from now, are kept by later commits and loads."""
        made = await self.make(store, "ann", idle=10, absolute=20)
        unit = self.time_unit
        await self.pass_units(store, 5)
        longer = await self.commit(store, made, Changes(idle_timeout=40 * unit, lifetime=40 * unit))
        assert longer.idle_timeout == pytest.approx(40 * unit)
        assert longer.expires_at - longer.created_at >= 45 * unit - 0.002
        await self.pass_units(store, 25)
        later = await self.commit(store, made, Changes(set={"a": b"1"}))
        assert later.idle_timeout == longer.idle_timeout
        assert later.expires_at - later.created_at == pytest.approx(longer.expires_at - longer.created_at, abs=0.002)

    @proves("ST-12")
    async def test_no_commit_makes_a_record_too_large(self, store: SessionStore) -> None:
        """What two requests add counts together, to the byte; what is replaced, removed or cleared makes room again."""
        half = MAX_RECORD_BYTES // 2
        made = await self.make(store, "ann", {"é": b"x" * (half - 2)})
        full = await self.commit(store, made, Changes(set={"b": b"y" * (half - 1)}))
        for changes in (Changes(set={"c": b""}), Changes(set={"b": b"y" * half}, remove=frozenset({"c"}))):
            with pytest.raises(SessionValueError, match="more than 65536"):
                await store.commit(made.key, changes)
            with pytest.raises(SessionValueError, match="more than 65536"):
                await store.regenerate(made.key, key_beside(made.key), changes, user_id="ann")
        assert facts(await store.load(made.key)) == facts(full)
        await self.commit(store, made, Changes(set={"b": b"z" * (half - 1)}))
        await self.commit(store, made, Changes(set={"c": b"y" * (half - 1)}, remove=frozenset({"b"})))
        await self.commit(store, made, Changes(set={"d": b"x" * (2 * half - 1)}, clear=True))
        moved = await store.regenerate(made.key, key_beside(made.key), Changes(remove=frozenset({"d"})), user_id="ann")
        assert isinstance(moved, Record)
        assert dict(moved.data) == {}

    @pytest.mark.parametrize("seconds", [0.0, -1.0, -1e9])
    @pytest.mark.parametrize("field", ["idle_timeout", "lifetime"])
    async def test_a_timeout_of_zero_or_less_ends_the_session(self, store: SessionStore, field: str, seconds: float) -> None:
        """No timeout means "for ever" (design rule 10)."""
        made = await self.make(store, "ann", {"a": b"1"})
        changes = Changes(lifetime=seconds) if field == "lifetime" else Changes(idle_timeout=seconds)
        assert isinstance(await store.commit(made.key, changes), Record)
        assert await store.load(made.key) is None
        assert await store.commit(made.key, Changes(lifetime=60.0)) is None

    async def commit(self, store: SessionStore, made: Record, changes: Changes) -> Record:
        """A commit that has to be accepted."""
        saved = await store.commit(made.key, changes)
        assert isinstance(saved, Record)
        return saved
