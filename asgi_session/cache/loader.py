"""From the store into the cache: one load for all who ask for a session at the same time.

Whoever joins a load gets an answer that may be older than the question. So nobody joins one that began before the latest news of
its session: who reads after a commit or a logout was told sees it. Without a cache there are no news, and everybody asks alone.

The first who asks makes the load, in its own task: most loads have nobody else who waits, and a task for each would cost as much as
the rest of the loader. Where that request is cancelled, one of those who joined asks again.
"""

import asyncio
from typing import TYPE_CHECKING

from ..ids import StoreKey
from ..snapshot import Snapshot
from .sessions import Context, Fill, SessionCache

if TYPE_CHECKING:
    from ..stores.base import SessionStore


class _GivenUp:
    """No answer: whoever made the load was cancelled."""


_GIVEN_UP = _GivenUp()


class _Load:
    """A load under way, and who waits for its answer beside the one who makes it."""

    __slots__ = ("_joined", "_loop", "fill")

    def __init__(self, fill: Fill) -> None:
        self.fill = fill
        self._loop = asyncio.get_running_loop()
        self._joined: list[asyncio.Future[Snapshot | _GivenUp | None]] = []

    def may_be_joined(self) -> bool:
        """Whether its answer is new enough, and comes: that of another event loop may never do."""
        return self.fill.may_be_joined() and self._loop is asyncio.get_running_loop()

    def join(self) -> "asyncio.Future[Snapshot | _GivenUp | None]":
        """The answer to come, for one alone, who may cancel it. No frame of ours keeps it, so an error in it makes no cycle."""
        self._joined.append(self._loop.create_future())
        return self._joined[-1]

    def answer(self, answer: Snapshot | _GivenUp | None) -> None:
        """Tell it to those who wait."""
        for waiting in self._joined:
            if not waiting.done():
                waiting.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Raise it where they wait; then forget them, for they hold the error, and its frames hold the load."""
        joined, self._joined = self._joined, []
        for waiting in joined:
            if not waiting.done():
                waiting.set_exception(error)


class SessionLoader:
    """Asks the store. State: the loads under way, which belong to the event loop that they run on."""

    def __init__(self, store: "SessionStore", cache: SessionCache | None, touch_after: float) -> None:
        self._store = store
        self._cache = cache
        self._touch_after = touch_after
        self._joinable: dict[StoreKey, _Load] = {}

    async def load(self, key: StoreKey, credential: str) -> Snapshot | None:
        """The session of ``key``, which ``credential`` leads to, fresh from the store.

        Raises:
            StoreError: as the store does, to each who waits.
        """
        if self._cache is None:
            record = await self._store.load(key, touch_after=self._touch_after)
            return Snapshot(record) if record is not None else None
        while (load := self._joinable.get(key)) is not None and load.may_be_joined():
            answer = await load.join()
            if not isinstance(answer, _GivenUp):
                return answer
        return await self._load(self._cache, key, credential)

    def trust(self, credential: str, snapshot: Snapshot, context: Context) -> None:
        """What was loaded was accepted: the quick tier may do so too, in this context."""
        if self._cache is not None:
            self._cache.trust(credential, snapshot.record, context)

    async def _load(self, cache: SessionCache, key: StoreKey, credential: str) -> Snapshot | None:
        load = self._joinable[key] = _Load(cache.begin(key))
        answer: Snapshot | _GivenUp | None = _GIVEN_UP
        try:
            record = await self._store.load(key, touch_after=self._touch_after)
            answer = snapshot = cache.fill(load.fill, credential, record, self._touch_after)
            if record is not None and (snapshot is None or snapshot.record is not record):
                answer = snapshot = Snapshot(record)
        except Exception as error:
            load.fail(error)
            raise
        else:
            return snapshot
        finally:
            cache.end(load.fill)
            if self._joinable.get(key) is load:
                del self._joinable[key]
            load.answer(answer)
