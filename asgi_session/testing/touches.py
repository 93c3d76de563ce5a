"""Sliding many sessions at once."""

import pytest

from ..record import Record
from ..stores.base import SessionStore, Touches
from .base import Contract, facts, fresh_key, proves
from .expiry import A_LITTLE


class TouchesContract(Contract):
    """What :class:`asgi_session.stores.base.Touches` promises."""

    @pytest.fixture
    def touches(self, store: SessionStore) -> Touches:
        """The store, with the power in question."""
        assert isinstance(store, Touches)
        return store

    async def test_touch_slides_what_lives(self, store: SessionStore, touches: Touches) -> None:
        """All of a batch, of users and visitors, and nothing of them but the idle timeout."""
        made = [await self.make(store, user, {"a": b"1"}, idle=10) for user in ("ann", "ann", None)]
        await self.pass_units(store, 8)
        await touches.touch([record.key for record in made])
        await self.pass_units(store, 8)
        for record in made:
            loaded = await store.load(record.key)
            assert loaded is not None
            assert loaded.last_seen_at - loaded.created_at == pytest.approx(8 * self.time_unit, abs=self.time_unit)
            assert facts(record) == {**facts(loaded), "last_seen_at": 0.0}

    @proves("LC-04")
    async def test_touch_does_not_move_the_absolute_end(self, store: SessionStore, touches: Touches) -> None:
        """However often it is called."""
        made = await self.make(store, "ann", idle=10, absolute=15)
        for _ in range(2):
            await self.pass_units(store, 5)
            await touches.touch([made.key])
        await self.pass_units(store, 5 + A_LITTLE)
        assert await store.load(made.key) is None

    @proves("LC-08")
    async def test_touch_brings_nothing_back(self, store: SessionStore, touches: Touches) -> None:
        """Neither what ended nor what never was; whatever else is in the batch is slid all the same."""
        ended: list[Record] = [await self.make(store, "ann", idle=5), await self.make(store, "ann")]
        alive = await self.make(store, "ann", idle=10)
        await store.destroy(ended[1].key)
        await self.pass_units(store, 6)
        await touches.touch([fresh_key(store), *(record.key for record in ended), alive.key])
        await touches.touch([])
        for record in ended:
            assert await store.load(record.key) is None
        await self.pass_units(store, 6)
        assert await store.load(alive.key) is not None
