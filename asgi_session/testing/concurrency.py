"""Many callers at once: each method is one atomic step."""

import asyncio

from ..record import Changes, Conflict, Record
from ..stores.base import SessionStore
from .base import Contract, key_beside, proves

CALLERS = 20


class ConcurrencyContract(Contract):
    """Steps that happen at the same time. What their order is, is the store's business."""

    @proves("LC-13")
    async def test_all_of_many_commits_are_kept(self, store: SessionStore) -> None:
        """Each caller changes a key of its own; every change and every version is there in the end."""
        made = await self.make(store, None, {"a": b"0"})
        commits = (store.commit(made.key, Changes(set={f"key {n}": b"%d" % n})) for n in range(CALLERS))
        versions = {getattr(saved, "version", None) for saved in await asyncio.gather(*commits)}
        assert versions == set(range(2, CALLERS + 2))
        loaded = await store.load(made.key)
        assert loaded is not None
        assert dict(loaded.data) == {"a": b"0"} | {f"key {n}": b"%d" % n for n in range(CALLERS)}

    @proves("LC-13")
    async def test_of_many_commits_with_one_version_one_is_accepted(self, store: SessionStore) -> None:
        """All others are conflicts."""
        made = await self.make(store, None, {"a": b"0"})
        commits = (store.commit(made.key, Changes(set={"a": b"%d" % n}, if_version=1)) for n in range(CALLERS))
        outcomes = await asyncio.gather(*commits)
        assert sum(isinstance(outcome, Record) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == CALLERS - 1

    @proves("LC-01")
    async def test_of_many_new_ids_one_is_given(self, store: SessionStore) -> None:
        """The session lives under one id, never under two."""
        made = await self.make(store, "ann", {"a": b"1"})
        keys = [key_beside(made.key) for _ in range(CALLERS)]
        await asyncio.gather(*(store.regenerate(made.key, key, Changes(), user_id="ann") for key in keys))
        found = [record for record in [await store.load(key) for key in (made.key, *keys)] if record is not None]
        assert len(found) == 1
        assert found[0].key != made.key

    @proves("LC-08")
    async def test_a_destroy_among_commits_is_final(self, store: SessionStore) -> None:
        """Whatever was under way when the session ended, it has ended."""
        made = await self.make(store, "ann", {"a": b"1"})
        steps = [store.commit(made.key, Changes(set={"a": b"%d" % n})) for n in range(CALLERS)]
        touches = [store.load(made.key, touch_after=0.0) for _ in range(CALLERS)]
        await asyncio.gather(*steps[::2], *touches[::2], store.destroy(made.key), *steps[1::2], *touches[1::2])
        assert await store.load(made.key) is None

    @proves("LC-17")
    async def test_of_many_destroys_one_finds_it(self, store: SessionStore) -> None:
        """So that an event is sent once."""
        made = await self.make(store, "ann")
        assert sum(await asyncio.gather(*(store.destroy(made.key) for _ in range(CALLERS)))) == 1
