"""From the store into the cache: one load for all who ask for a session at the same time."""

import asyncio
from typing import TYPE_CHECKING

from ..ids import StoreKey
from ..record import Record
from .sessions import Context, SessionCache

if TYPE_CHECKING:
    from ..stores.base import SessionStore


class SessionLoader:
    """Asks the store. State: the loads under way, which belong to the event loop that they run on."""

    def __init__(self, store: "SessionStore", cache: SessionCache | None, touch_after: float) -> None:
        self._store = store
        self._cache = cache
        self._touch_after = touch_after
        self._loads: dict[StoreKey, asyncio.Task[Record | None]] = {}

    async def load(self, key: StoreKey, credential: str, context: Context) -> Record | None:
        """The record of ``key``, which ``credential`` leads to, fresh from the store; remembered for ``context``.

        Raises:
            StoreError: as the store does, to each who waits.
        """
        load = self._loads.get(key)
        if load is None or load.get_loop() is not asyncio.get_running_loop():
            load = self._loads[key] = asyncio.ensure_future(self._load(key, credential, context))
            load.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(load)

    async def stop(self) -> None:
        """Wait for the loads under way; nobody else does any more."""
        if self._loads:
            await asyncio.wait(self._loads.values())

    async def _load(self, key: StoreKey, credential: str, context: Context) -> Record | None:
        if self._cache is None:
            return await self._store.load(key, touch_after=self._touch_after)
        fill = self._cache.begin(key)
        try:
            record = await self._store.load(key, touch_after=self._touch_after)
            self._cache.fill(fill, credential, record, context, self._touch_after)
            return record
        finally:
            self._cache.end(fill)

    def _done(self, key: StoreKey, load: asyncio.Task[Record | None]) -> None:
        if self._loads.get(key) is load:
            del self._loads[key]
        if not load.cancelled():
            load.exception()  # whoever waits has it too; nobody may be left to wait
