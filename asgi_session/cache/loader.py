"""From the store into the cache: one load for all who ask for a session at the same time.

Whoever joins a load gets an answer that may be older than the question. So nobody joins one that began before the latest news of
its session: who reads after a commit or a logout was told sees it. Without a cache there are no news, and everybody asks alone.
"""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from ..ids import StoreKey
from ..snapshot import Snapshot
from .sessions import Context, Fill, SessionCache

if TYPE_CHECKING:
    from ..stores.base import SessionStore


class _Load(NamedTuple):
    """A load under way."""

    fill: Fill
    answer: "asyncio.Task[Snapshot | None]"


class SessionLoader:
    """Asks the store. State: the loads under way, which belong to the event loop that they run on."""

    def __init__(self, store: "SessionStore", cache: SessionCache | None, touch_after: float) -> None:
        self._store = store
        self._cache = cache
        self._touch_after = touch_after
        self._joinable: dict[StoreKey, _Load] = {}
        self._tasks: set[asyncio.Task[Snapshot | None]] = set()

    async def load(self, key: StoreKey, credential: str, context: Context) -> Snapshot | None:
        """The session of ``key``, which ``credential`` leads to, fresh from the store; remembered for ``context``.

        Raises:
            StoreError: as the store does, to each who waits.
        """
        if self._cache is None:
            record = await self._store.load(key, touch_after=self._touch_after)
            return Snapshot(record) if record is not None else None
        load = self._joinable.get(key)
        if load is None or not load.fill.may_be_joined() or load.answer.get_loop() is not asyncio.get_running_loop():
            load = self._begin(self._cache, key, credential, context)
        return await asyncio.shield(load.answer)

    async def stop(self) -> None:
        """Wait for the loads under way; nobody else does any more."""
        loop = asyncio.get_running_loop()
        mine = [task for task in self._tasks if task.get_loop() is loop]
        if mine:
            await asyncio.wait(mine)

    def _begin(self, cache: SessionCache, key: StoreKey, credential: str, context: Context) -> _Load:
        fill = cache.begin(key)
        answer = asyncio.ensure_future(self._load(cache, fill, credential, context))
        load = self._joinable[key] = _Load(fill, answer)
        self._tasks.add(answer)
        answer.add_done_callback(lambda done: self._done(load))
        return load

    async def _load(self, cache: SessionCache, fill: Fill, credential: str, context: Context) -> Snapshot | None:
        try:
            record = await self._store.load(fill.key, touch_after=self._touch_after)
        except BaseException:
            cache.end(fill)
            raise
        kept = cache.fill(fill, credential, record, context, self._touch_after)
        if record is None or (kept is not None and kept.record is record):
            return kept
        return Snapshot(record)

    def _done(self, load: _Load) -> None:
        self._tasks.discard(load.answer)
        if self._joinable.get(load.fill.key) is load:
            del self._joinable[load.fill.key]
        if not load.answer.cancelled():
            load.answer.exception()  # whoever waits has it too; nobody may be left to wait
