"""Stores with one mistake each, and the test of the contract that has to find it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from asgi_session.exceptions import SessionCapReached
from asgi_session.ids import StoreKey
from asgi_session.record import Changes, Conflict, Draft, Record
from asgi_session.stores.memory import MemoryStore

BROKEN: dict[str, type[MemoryStore]] = {}
"""By the test that has to fail."""


def fails(test: str) -> Any:
    """Notes which test has to find the mistake."""

    def note(store: type[MemoryStore]) -> type[MemoryStore]:
        assert test not in BROKEN
        BROKEN[test] = store
        return store

    return note


@fails("test_commit_after_destroy_recreates_nothing")
class Resurrects(MemoryStore):
    """Saves what is gone, as most session stores do."""

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        if await self.load(key) is None:
            return await self.create(key, Draft(None, 60, 60, changes.set))
        return await super().commit(key, changes)


@fails("test_commits_of_different_keys_are_both_kept")
class SavesWhole(MemoryStore):
    """Writes what one request knew in the place of everything."""

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        return await super().commit(key, replace(changes, clear=True))


@fails("test_all_of_many_commits_are_kept")
class TwoSteps(MemoryStore):
    """Reads, waits, writes."""

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        record = await self.load(key)
        await asyncio.sleep(0)
        known = record.data if record is not None else {}
        return await super().commit(key, replace(changes, clear=True, set={**known, **changes.set}))


@fails("test_commit_with_another_version_is_a_conflict")
class IgnoresVersions(MemoryStore):
    """The last one wins, whatever was asked for."""

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        return await super().commit(key, replace(changes, if_version=None))


@fails("test_no_commit_makes_a_record_too_large")
class GrowsForEver(MemoryStore):
    """Leaves the size to whoever saves, who knows half of it."""

    def _changed(self, record: Record, changes: Changes) -> Record:
        changed = super()._changed(record, replace(changes, set={}))
        return replace(changed, data={**changed.data, **changes.set})


@fails("test_nothing_is_shared_with_the_caller")
class Shares(MemoryStore):
    """Hands out its own dictionary."""

    def _keep(self, record: Record) -> None:
        super()._keep(replace(record, data=dict(record.data)))


@fails("test_a_new_id_kills_the_old_one")
class KeepsOldId(MemoryStore):
    """A grace period for the old id, which is what a thief waits for."""

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        record = await self.load(old)
        moved = await super().regenerate(old, new, changes, user_id=user_id)
        if record is not None:
            self._keep(record)
        return moved


@fails("test_a_new_login_goes_on_with_the_session")
class CopiesAtLogin(MemoryStore):
    """Logs in again with what it knew, so that others' changes are lost."""

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        return await super().regenerate(old, new, replace(changes, clear=changes.login is not None), user_id=user_id)


@fails("test_a_new_login_finds_a_session_whose_id_changed")
class LosesTheTrail(MemoryStore):
    """Looks for the session under the id that the request came with, and nowhere else."""

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        return None if self._live(old) is None else await super().regenerate(old, new, changes, user_id=user_id)


@fails("test_a_logout_that_a_new_login_overtook_leaves_it_alone")
class LeavesATrail(MemoryStore):
    """Takes a new login for a new id like any other."""

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        moved = await super().regenerate(old, new, changes, user_id=user_id)
        self._remember_move(old, new)
        return moved


@fails("test_a_new_id_that_is_taken_is_refused")
class TakesTakenIds(MemoryStore):
    """Overwrites whoever has the id."""

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        self._forget(new)
        return await super().regenerate(old, new, changes, user_id=user_id)


@fails("test_an_id_that_is_taken_is_refused")
class CreatesOver(MemoryStore):
    """Gives one client the session of another."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        self._forget(key)
        return await super().create(key, draft, replaces=replaces)


@fails("test_a_login_ends_the_session_that_it_replaces")
class LeavesTheVisitor(MemoryStore):
    """Session fixation."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        return await super().create(key, draft)


@fails("test_an_idle_session_ends")
class SlidesAtEachLook(MemoryStore):
    """A session that is looked at never ends."""

    async def load(self, key: StoreKey, *, touch_after: float | None = None) -> Record | None:
        record = await super().load(key, touch_after=0.0)
        return replace(record, slid_from=None) if record is not None else None


@fails("test_a_timeout_of_zero_or_less_is_over_at_once")
class ZeroIsForEver(MemoryStore):
    """As in many a cache."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        ever = {name: 1e9 for name in ("idle_timeout", "absolute_timeout") if getattr(draft, name) <= 0}
        return await super().create(key, replace(draft, **ever), replaces=replaces)  # type: ignore[arg-type]


@fails("test_commit_and_new_id_slide_the_idle_timeout_only")
class SlidesTheAbsoluteEnd(MemoryStore):
    """Whoever is busy stays for ever."""

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        return await super().commit(key, replace(changes, lifetime=changes.lifetime or 1e6))


@fails("test_destroy_is_idempotent")
class AlwaysFindsOne(MemoryStore):
    """Two events for one logout."""

    async def destroy(self, key: StoreKey) -> bool:
        await super().destroy(key)
        return True


@fails("test_revoke_others_keeps_the_session_it_is_told_to")
class KeepsNone(MemoryStore):
    """Signs out whoever changed the password."""

    async def revoke_user(self, user_id: str, *, keep: StoreKey | None = None) -> None:
        await super().revoke_user(user_id)


@fails("test_revoke_user_ends_what_was_issued_until_now")
class RevokesForGood(MemoryStore):
    """A user who was revoked once can't log in again."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        made = await super().create(key, draft, replaces=replaces)
        if draft.user_id in self._user_epochs:
            self._forget(key)
        return made


@fails("test_revoke_all_ends_what_was_issued_until_now")
class SparesVisitors(MemoryStore):
    """Goes through the users only."""

    async def revoke_all(self) -> None:
        for user_id in list(self._of_user):
            await self.revoke_user(user_id)


@fails("test_a_user_finds_own_live_sessions_only")
class ListsTheDead(MemoryStore):
    """Forgets to forget."""

    async def list_for_user(self, user_id: str) -> Sequence[Record]:
        return [record for record in self._users.values() if record.user_id == user_id]


@fails("test_touch_brings_nothing_back")
class TouchesTheFirst(MemoryStore):
    """Stops at the first one that is gone."""

    async def touch(self, keys: Sequence[StoreKey]) -> None:
        for key in keys:
            if await self.load(key, touch_after=0.0) is None:
                return


@fails("test_cleanup_leaves_what_lives")
class CleansTooMuch(MemoryStore):
    """Takes the idle for the expired."""

    async def cleanup(self) -> int:
        for key in list(self._users):
            self._forget(key)
        return 0


@fails("test_the_oldest_login_makes_room")
class IgnoresTheCap(MemoryStore):
    """Any number."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        return await super().create(key, replace(draft, cap=None), replaces=replaces)


@fails("test_a_full_cap_may_refuse")
class EndsBeforeItRefuses(MemoryStore):
    """The visitor's session is gone, and nobody is logged in."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        if replaces is not None:
            await self.destroy(replaces)
        return await super().create(key, draft)


@fails("test_the_cap_is_exact_when_many_come_at_once")
class LooksAndThenMakes(MemoryStore):
    """Two steps: who comes in between is not counted."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        user_id, cap = draft.user_id, draft.cap
        others = await self.list_for_user(user_id) if user_id is not None and cap is not None else []
        await asyncio.sleep(0)
        for record in others[cap.limit - 1 :] if cap is not None else []:
            await self.destroy(record.key)
        return await super().create(key, replace(draft, cap=None), replaces=replaces)


@fails("test_a_session_makes_room_for_the_one_that_replaces_it")
class CountsTheReplaced(MemoryStore):
    """A user at the cap can't log in again."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        record = await super().create(key, draft)
        if replaces is not None:
            await self.destroy(replaces)
        return record


@fails("test_there_is_room_again_when_one_has_ended")
class CountsTheDead(MemoryStore):
    """Whoever logged in once takes room for ever."""

    logins = 0

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        if draft.cap is not None and draft.cap.when_full == "refuse":
            self.logins += 1
            if self.logins > draft.cap.limit:
                raise SessionCapReached
        return await super().create(key, draft, replaces=replaces)
