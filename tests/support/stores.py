"""The memory store, watched: what was asked of it, when it answers, and whether it does."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from asgi_session.ids import StoreKey
from asgi_session.record import Changes, Conflict, Draft, Record
from asgi_session.stores.memory import MemoryStore

WRITES = frozenset({"create", "commit", "regenerate", "destroy", "revoke", "revoke_user", "revoke_all"})


class Gate:
    """Holds a step back until the test lets it go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        """Say that somebody is here, and wait."""
        self.reached.set()
        await self.opened.wait()


class WatchedStore(MemoryStore):
    """A memory store that counts its steps, and can be held back or made to fail: before a step, or after it (reply lost)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: Counter[str] = Counter()
        self.failures: dict[str, Exception] = {}
        """By step: raised in its place."""
        self.lost_replies: dict[str, Exception] = {}
        """By step: raised once it is done."""
        self.gates: dict[str, Gate] = {}
        """By step: what it waits for before it is done."""

    @property
    def writes(self) -> int:
        """Steps that changed something, or might have."""
        return sum(number for step, number in self.calls.items() if step in WRITES)

    def holds(self) -> int:
        """Records in it."""
        return len(self._anonymous) + len(self._users)

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        return await self._step("create", super().create(key, draft, replaces=replaces))

    async def load(self, key: StoreKey, *, touch_after: float | None = None) -> Record | None:
        return await self._step("load", super().load(key, touch_after=touch_after))

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        return await self._step("commit", super().commit(key, changes))

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | None:
        return await self._step("regenerate", super().regenerate(old, new, changes, user_id=user_id))

    async def destroy(self, key: StoreKey) -> bool:
        return await self._step("destroy", super().destroy(key))

    async def list_for_user(self, user_id: str) -> Sequence[Record]:
        return await self._step("list_for_user", super().list_for_user(user_id))

    async def revoke(self, key: StoreKey) -> bool:
        return await self._step("revoke", super().revoke(key))

    async def _step(self, name: str, step: Any) -> Any:
        self.calls[name] += 1
        failure = self.failures.get(name)
        if failure is not None:
            step.close()
            raise failure
        if name in self.gates:
            try:
                await self.gates[name].pass_through()
            except asyncio.CancelledError:
                step.close()
                raise
        done = await step
        if name in self.lost_replies:
            raise self.lost_replies[name]
        return done
