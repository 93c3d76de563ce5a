"""Records that another version of the package wrote."""

from ..ids import StoreKey
from ..record import Changes
from ..stores.base import SessionStore, UserSessions
from .base import Contract, key_beside, proves


class StoredFormContract(Contract):
    """What a store has to do whose records outlive the process: old and new workers run side by side."""

    async def make_foreign(self, store: SessionStore, key: StoreKey) -> None:
        """Rewrite the stored record at ``key`` so that its schema is one that this version does not know."""
        raise NotImplementedError("Override make_foreign: it gives the record at `key` a newer schema.")

    @proves("ST-13")
    async def test_a_record_of_an_unknown_schema_is_absent(self, store: SessionStore) -> None:
        """It is not found, not changed, not listed, and breaks nothing; a logout still removes it."""
        made = await self.make(store, "ann", {"a": b"1"})
        await self.make_foreign(store, made.key)
        new = key_beside(made.key)
        assert await store.load(made.key, touch_after=0.0) is None
        assert await store.commit(made.key, Changes(set={"a": b"2"})) is None
        assert await store.regenerate(made.key, new, Changes(), user_id="ann") is None
        assert await store.load(new) is None
        if isinstance(store, UserSessions):
            assert list(await store.list_for_user("ann")) == []
            assert await store.revoke(made.key) is False
        assert await store.destroy(made.key) is False
        assert await store.load(made.key) is None
