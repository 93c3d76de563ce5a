"""Time: the idle timeout slides, the absolute one doesn't, and neither is ever for ever."""

import pytest

from ..record import Changes, Record
from ..stores.base import SessionStore
from .base import Contract, facts, key_beside, proves

A_LITTLE = 0.1
"""Of a unit: so that no rounding keeps a session from its end."""


class ExpiryContract(Contract):
    """Expiry and touch."""

    @proves("LC-03")
    async def test_an_idle_session_ends(self, store: SessionStore) -> None:
        """One unit before its idle timeout it is there (and looking does not slide it), after the timeout it is gone for good."""
        made = await self.make(store, "ann", {"a": b"1"}, idle=10)
        await self.pass_units(store, 9)
        assert facts(await store.load(made.key)) == facts(made)
        await self.pass_units(store, 1 + A_LITTLE)
        await self.assert_ended(store, made)

    @proves("LC-03")
    async def test_a_busy_session_ends_at_its_absolute_timeout(self, store: SessionStore) -> None:
        """However often it is used."""
        made = await self.make(store, "ann", {"a": b"1"}, idle=10, absolute=20)
        for _ in range(3):
            await self.pass_units(store, 6)
            assert await store.load(made.key, touch_after=0.0) is not None
        await self.pass_units(store, 2 + A_LITTLE)
        await self.assert_ended(store, made)

    @proves("LC-03")
    async def test_an_idle_timeout_past_the_absolute_one_changes_nothing(self, store: SessionStore) -> None:
        """The earlier of the two ends it."""
        made = await self.make(store, None, {"a": b"1"}, idle=100, absolute=10)
        await self.pass_units(store, 10 + A_LITTLE)
        await self.assert_ended(store, made)

    @pytest.mark.parametrize(("idle", "absolute"), [(0, 10), (10, 0), (-1, 10), (10, -1), (-1e9, -1e9)])
    async def test_a_timeout_of_zero_or_less_is_over_at_once(self, store: SessionStore, idle: float, absolute: float) -> None:
        """It is never "for ever" (design rule 10)."""
        made = await self.make(store, "ann", {"a": b"1"}, idle=idle, absolute=absolute)
        await self.assert_ended(store, made)

    async def test_a_touch_slides_the_idle_timeout_once_it_is_due(self, store: SessionStore) -> None:
        """A load slides when that long ago was the last slide, and says so; sooner it is a read like any other."""
        made = await self.make(store, "ann", {"a": b"1"}, idle=10)
        await self.pass_units(store, 4)
        assert facts(await store.load(made.key, touch_after=6 * self.time_unit)) == facts(made)
        await self.pass_units(store, 4)
        touched = await store.load(made.key, touch_after=6 * self.time_unit)
        assert touched is not None
        assert touched.slid_from == touched.created_at
        assert touched.last_seen_at >= touched.created_at + 8 * self.time_unit - 0.002
        await self.pass_units(store, 8)
        again = await store.load(made.key)
        assert facts(again) == {**facts(touched), "slid_from": None}
        assert facts(made) == {**facts(again), "last_seen_at": 0.0}

    @proves("LC-04")
    async def test_commit_and_new_id_slide_the_idle_timeout_only(self, store: SessionStore) -> None:
        """Both are signs of life; the absolute end stays where it was."""
        made = await self.make(store, "ann", {"a": b"1"}, idle=10, absolute=25)
        await self.pass_units(store, 8)
        saved = await store.commit(made.key, Changes(set={"a": b"2"}))
        assert isinstance(saved, Record)
        await self.pass_units(store, 8)
        new = key_beside(made.key)
        moved = await store.regenerate(made.key, new, Changes(), user_id="ann")
        assert isinstance(moved, Record)
        ages = [record.last_seen_at - record.created_at for record in (made, saved, moved)]
        assert ages == pytest.approx([0, 8 * self.time_unit, 16 * self.time_unit], abs=self.time_unit)
        ends = [record.expires_at - record.created_at for record in (made, saved, moved)]
        assert ends == pytest.approx([25 * self.time_unit] * 3, abs=0.002)
        await self.pass_units(store, 8)
        assert facts(await store.load(new)) == facts(moved)
        await self.pass_units(store, 1 + A_LITTLE)
        await self.assert_ended(store, moved)

    async def assert_ended(self, store: SessionStore, record: Record) -> None:
        """Nothing that can be asked of an expired session finds it or brings it back (LC-08)."""
        key, new = record.key, key_beside(record.key)
        assert await store.load(key) is None
        assert await store.load(key, touch_after=0.0) is None
        assert await store.commit(key, Changes(set={"a": b"9"}, lifetime=1e6, idle_timeout=1e6)) is None
        assert await store.regenerate(key, new, Changes(lifetime=1e6), user_id=record.user_id) is None
        assert await store.destroy(key) is False
        assert await store.load(key) is None
        assert await store.load(new) is None
