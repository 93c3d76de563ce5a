"""Finding and ending the sessions of a user, or of everybody."""

from itertools import count

import pytest

from ..ids import StoreKey, user_bucket
from ..record import Changes, Record
from ..stores.base import SessionStore, UserSessions
from .base import facts, fresh_key, key_beside, proves
from .cap import CapContract


class UserSessionsContract(CapContract):
    """What :class:`asgi_session.stores.base.UserSessions` promises, and that such a store keeps a cap."""

    @pytest.fixture
    def users(self, store: SessionStore) -> UserSessions:
        """The store, with the power in question."""
        assert isinstance(store, UserSessions)
        return store

    @proves("PR-05")
    async def test_a_user_finds_own_live_sessions_only(self, store: SessionStore, users: UserSessions) -> None:
        """Newest first, without their data; not those of others, nor of visitors, nor any that has ended."""
        first = await self.make(store, "ann", {"a": b"1"})
        second = await self.make(store, "ann", {"a": b"2"})
        gone = await self.make(store, "ann")
        await self.make(store, "ben")
        await self.make(store, None)
        await store.destroy(gone.key)
        assert await self.listed(users) == [shown(second), shown(first)]
        assert list(await users.list_for_user("nobody")) == []

    async def test_an_expired_session_is_not_listed(self, store: SessionStore, users: UserSessions) -> None:
        """Nor is one that never lived."""
        await self.make(store, "ann", idle=5)
        await self.make(store, "ann", idle=0)
        longer = await self.make(store, "ann", idle=20)
        await self.pass_units(store, 6)
        assert await self.listed(users) == [shown(longer)]

    async def test_a_session_is_listed_once_whatever_its_id(self, store: SessionStore, users: UserSessions) -> None:
        """Under its new id after a regeneration, and in place of the one that its login replaced."""
        visitor = await self.make(store, None)
        first = await self.make(store, "ann", replaces=visitor.key)
        moved = await store.regenerate(first.key, key_beside(first.key), Changes(), user_id="ann")
        assert isinstance(moved, Record)
        assert await self.listed(users) == [shown(moved)]
        again = await self.make(store, "ann", replaces=moved.key)
        assert await self.listed(users) == [shown(again)]

    @proves("LC-10", "LC-17")
    async def test_revoke_ends_one_session(self, store: SessionStore, users: UserSessions) -> None:
        """At once and for good, once; it stays listed as revoked, without its data; the others are not touched."""
        made, other = await self.make(store, "ann", {"a": b"1"}), await self.make(store, "ann", {"a": b"2"})
        assert await users.revoke(made.key) is True
        assert await users.revoke(made.key) is False
        await self.assert_revoked(store, made)
        assert facts(await store.load(other.key)) == facts(other)
        listed = {record.key: record for record in await users.list_for_user("ann")}
        assert listed.keys() == {made.key, other.key}
        assert listed[made.key].revoked_at is not None
        assert dict(listed[made.key].data) == {}
        assert listed[other.key].revoked_at is None

    async def test_revoke_of_a_visitor_or_of_nothing(self, store: SessionStore, users: UserSessions) -> None:
        """A visitor's session can be revoked too; one that is absent is nobody's."""
        visitor = await self.make(store, None, {"a": b"1"})
        assert await users.revoke(visitor.key) is True
        await self.assert_revoked(store, visitor)
        assert await users.revoke(fresh_key(store)) is False

    @proves("LC-10", "LC-17", "LC-08")
    async def test_revoke_user_ends_what_was_issued_until_now(self, store: SessionStore, users: UserSessions) -> None:
        """All sessions of that user, no other ones, and none that is made later; twice is as good as once."""
        mine = [await self.make(store, "ann", {"a": b"1"}) for _ in range(3)]
        others = [await self.make(store, "ben"), await self.make(store, None), await self.make(store, namesake(store, "ann"))]
        await users.revoke_user("ann")
        await users.revoke_user("ann")
        for record in mine:
            await self.assert_revoked(store, record)
        for record in others:
            assert facts(await store.load(record.key)) == facts(record)
        assert {record.revoked_at is None for record in await users.list_for_user("ann")} <= {False}
        later = await self.make(store, "ann")
        assert facts(await store.load(later.key)) == facts(later)

    @proves("LC-10")
    async def test_revoke_others_keeps_the_session_it_is_told_to(self, store: SessionStore, users: UserSessions) -> None:
        """The kept one lives on as it was: same data, same version, and it can be saved and given a new id."""
        kept = await self.make(store, "ann", {"a": b"1"})
        others = [await self.make(store, "ann") for _ in range(2)]
        await users.revoke_user("ann", keep=kept.key)
        for record in others:
            await self.assert_revoked(store, record)
        loaded = await store.load(kept.key)
        assert loaded is not None
        assert (dict(loaded.data), loaded.version, loaded.expires_at) == ({"a": b"1"}, kept.version, kept.expires_at)
        assert isinstance(await store.commit(kept.key, Changes(set={"a": b"2"})), Record)
        await users.revoke_user("ann", keep=kept.key)
        assert isinstance(await store.regenerate(kept.key, key_beside(kept.key), Changes(), user_id="ann"), Record)

    async def test_whoever_is_kept_must_be_the_users_own(self, store: SessionStore, users: UserSessions) -> None:
        """Somebody else's session, none at all, or one that was revoked a moment ago: nothing is ended in its name."""
        mine, foreign, dead = await self.make(store, "ann"), await self.make(store, "ben"), await self.make(store, "ann")
        assert await users.revoke(dead.key) is True
        for keep in (foreign.key, StoreKey(mine.key.bucket, fresh_key(store).digest), dead.key):
            assert await users.revoke_user("ann", keep=keep) is False
            assert facts(await store.load(mine.key)) == facts(mine)
        assert await users.revoke_user("ann", keep=mine.key) is True

    async def test_revoking_an_unknown_user_does_nothing(self, store: SessionStore, users: UserSessions) -> None:
        """Who logs in afterwards is logged in."""
        await users.revoke_user("ann")
        made = await self.make(store, "ann")
        assert facts(await store.load(made.key)) == facts(made)

    @proves("LC-10", "LC-08")
    async def test_revoke_all_ends_what_was_issued_until_now(self, store: SessionStore, users: UserSessions) -> None:
        """Of users and visitors; none that is made later."""
        records = [await self.make(store, user) for user in ("ann", "ben", None, None)]
        await users.revoke_all()
        for record in records:
            await self.assert_revoked(store, record)
        later = [await self.make(store, user) for user in ("ann", None)]
        for record in later:
            assert facts(await store.load(record.key)) == facts(record)
        await users.revoke_all()
        for record in later:
            await self.assert_revoked(store, record)

    @proves("LC-10")
    async def test_a_new_id_does_not_escape_a_revocation(self, store: SessionStore, users: UserSessions) -> None:
        """A session that got its id before the revocation is ended by it, however new the id."""
        made = await self.make(store, "ann")
        moved = await store.regenerate(made.key, key_beside(made.key), Changes(), user_id="ann")
        assert isinstance(moved, Record)
        await users.revoke_user("ann")
        await self.assert_revoked(store, moved)

    async def listed(self, users: UserSessions) -> list[object]:
        """What the list of one user says."""
        return [facts(record) for record in await users.list_for_user("ann")]

    async def assert_revoked(self, store: SessionStore, record: Record) -> None:
        """Nothing finds it or brings it back."""
        new = key_beside(record.key)
        assert await store.load(record.key, touch_after=0.0) is None
        assert await store.commit(record.key, Changes(set={"a": b"9"}, lifetime=1e6, idle_timeout=1e6)) is None
        assert await store.regenerate(record.key, new, Changes(), user_id=record.user_id) is None
        assert await store.load(new) is None
        assert await store.load(record.key) is None


def shown(record: Record) -> object:
    """What a list says of a session: all but its data."""
    return {**facts(record), "data": {}}


def namesake(store: SessionStore, user_id: str) -> str:
    """Another user in the same bucket."""
    bucket = user_bucket(user_id, store.namespace)
    return next(name for name in (f"user {n}" for n in count()) if user_bucket(name, store.namespace) == bucket)
