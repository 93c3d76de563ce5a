"""What operators ask of a store."""

import pytest

from ..stores.base import Maintenance, SessionStore
from .base import Contract, facts


class MaintenanceContract(Contract):
    """What :class:`asgi_session.stores.base.Maintenance` promises."""

    @pytest.fixture
    def maintenance(self, store: SessionStore) -> Maintenance:
        """The store, with the power in question."""
        assert isinstance(store, Maintenance)
        return store

    async def test_a_store_that_works_is_healthy(self, maintenance: Maintenance) -> None:
        """And a round trip to it takes a time."""
        health = await maintenance.health()
        assert health.state == "healthy"
        assert health.latency is not None
        assert health.latency >= 0

    async def test_stats_count_the_sessions(self, store: SessionStore, maintenance: Maintenance) -> None:
        """Of users and visitors, created and destroyed."""
        assert (await maintenance.stats()).sessions == 0
        records = [await self.make(store, user) for user in ("ann", "ann", None)]
        assert (await maintenance.stats()).sessions == 3
        await store.destroy(records[0].key)
        assert (await maintenance.stats()).sessions == 2

    async def test_cleanup_leaves_what_lives(self, store: SessionStore, maintenance: Maintenance) -> None:
        """Expired sessions leave no trace; asking twice is harmless."""
        for user in ("ann", "ben", None):
            await self.make(store, user, idle=5)
        alive = [await self.make(store, user, idle=20) for user in ("ann", None)]
        await self.pass_units(store, 6)
        assert await maintenance.cleanup() >= 0
        assert await maintenance.cleanup() == 0
        assert (await maintenance.stats()).sessions == 2
        for record in alive:
            assert facts(await store.load(record.key)) == facts(record)
