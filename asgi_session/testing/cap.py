"""A cap on the sessions of a user."""

import asyncio
from dataclasses import replace

import pytest

from ..exceptions import SessionCapReached
from ..ids import StoreKey
from ..record import EMPTY, Changes, Draft, Record
from ..session_cap import SessionCap
from ..stores.base import SessionStore
from .base import Contract, facts, fresh_key, key_beside, proves


class CapContract(Contract):
    """What ``Draft.cap`` asks of a store that can find the sessions of a user."""

    @proves("LC-11")
    async def test_the_oldest_login_makes_room(self, store: SessionStore) -> None:
        """Just as many as are too many end; sessions of others and of visitors don't count."""
        first, second, third = [await self.log_in(store, SessionCap(3)) for _ in range(3)]
        bystanders = [await self.make(store, "ben"), await self.make(store, None)]
        fourth = await self.log_in(store, SessionCap(3))
        assert await self.alive(store, first, second, third, fourth) == [False, True, True, True]
        assert await self.alive(store, *bystanders) == [True, True]

    @proves("LC-11")
    async def test_no_sign_of_life_undoes_an_eviction(self, store: SessionStore) -> None:
        """Who had to make room is gone for good, and listed no more."""
        evicted = await self.log_in(store, SessionCap(1))
        kept = await self.log_in(store, SessionCap(1))
        assert await store.commit(evicted.key, Changes(set={"a": b"9"}, lifetime=1e6, idle_timeout=1e6)) is None
        assert await store.regenerate(evicted.key, key_beside(evicted.key), Changes(), user_id="ann") is None
        assert await store.destroy(evicted.key) is False
        assert await self.alive(store, evicted, kept) == [False, True]

    @proves("LC-11")
    async def test_a_full_cap_may_refuse(self, store: SessionStore) -> None:
        """Then nothing has changed, not even the visitor's session that the login would have replaced."""
        cap = SessionCap(2, when_full="refuse")
        first, second = [await self.log_in(store, cap) for _ in range(2)]
        visitor = await self.make(store, None, {"a": b"1"})
        new = fresh_key(store, "ann")
        with pytest.raises(SessionCapReached):
            await self.log_in(store, cap, key=new, replaces=visitor.key)
        assert facts(await store.load(visitor.key)) == facts(visitor)
        assert await self.alive(store, first, second) == [True, True]
        assert await store.load(new) is None

    async def test_there_is_room_again_when_one_has_ended(self, store: SessionStore) -> None:
        """By a logout, by hand, or by time."""
        cap = SessionCap(1, when_full="refuse")
        first = await self.log_in(store, cap)
        await store.destroy(first.key)
        await self.log_in(store, cap, idle=5)
        await self.pass_units(store, 6)
        third = await self.log_in(store, cap)
        assert await self.alive(store, third) == [True]

    async def test_a_session_makes_room_for_the_one_that_replaces_it(self, store: SessionStore) -> None:
        """It is not one more."""
        cap = SessionCap(2, when_full="refuse")
        first, second = [await self.log_in(store, cap) for _ in range(2)]
        third = await self.log_in(store, cap, replaces=second.key)
        assert await self.alive(store, first, second, third) == [True, False, True]

    async def test_who_had_too_many_before_loses_them_at_a_login(self, store: SessionStore) -> None:
        """A cap that is set or lowered later holds from the next login on."""
        before = [await self.make(store, "ann") for _ in range(5)]
        last = await self.log_in(store, SessionCap(2))
        assert await self.alive(store, *before, last) == [False, False, False, False, True, True]

    async def test_the_login_counts_and_not_the_id(self, store: SessionStore) -> None:
        """A session that got a new id is as old as its login."""
        first = await self.make(store, "ann")
        await self.pass_units(store, 0.1)
        second = await self.make(store, "ann")
        moved = await store.regenerate(first.key, key_beside(first.key), Changes(), user_id="ann")
        assert isinstance(moved, Record)
        third = await self.log_in(store, SessionCap(2))
        assert await self.alive(store, moved, second, third) == [False, True, True]

    async def test_one_that_never_lived_takes_no_room(self, store: SessionStore) -> None:
        """A lifetime of zero is over at once."""
        first = await self.log_in(store, SessionCap(1))
        await self.log_in(store, SessionCap(1), idle=0)
        assert await self.alive(store, first) == [True]

    async def test_one_that_never_lives_is_not_refused(self, store: SessionStore) -> None:
        """It is not one more; the visitor's session ends for it as for any other login."""
        cap = SessionCap(1, when_full="refuse")
        first = await self.log_in(store, cap)
        visitor = await self.make(store, None)
        await self.log_in(store, cap, idle=0, replaces=visitor.key)
        assert await self.alive(store, first, visitor) == [True, False]

    @proves("LC-11")
    async def test_the_cap_is_exact_when_many_come_at_once(self, store: SessionStore) -> None:
        """Fifty logins, three live sessions."""
        made = await asyncio.gather(*(self.log_in(store, SessionCap(3)) for _ in range(50)))
        assert sum(await self.alive(store, *made)) == 3

    @proves("LC-11")
    async def test_refusals_are_exact_when_many_come_at_once(self, store: SessionStore) -> None:
        """Fifty logins, three of them succeed."""
        cap = SessionCap(3, when_full="refuse")
        tried = await asyncio.gather(*(self.log_in(store, cap) for _ in range(50)), return_exceptions=True)
        made = [record for record in tried if isinstance(record, Record)]
        assert {type(each) for each in tried} == {Record, SessionCapReached}
        assert await self.alive(store, *made) == [True, True, True]

    async def log_in(
        self,
        store: SessionStore,
        cap: SessionCap,
        *,
        key: StoreKey | None = None,
        idle: float = 10,
        replaces: StoreKey | None = None,
    ) -> Record:
        """A new session of one user, under the cap."""
        draft = Draft("ann", idle * self.time_unit, 30 * self.time_unit, EMPTY)
        return await store.create(key or fresh_key(store, "ann"), replace(draft, cap=cap), replaces=replaces)

    async def alive(self, store: SessionStore, *records: Record) -> list[bool]:
        """Which of them are."""
        return [await store.load(record.key) is not None for record in records]
