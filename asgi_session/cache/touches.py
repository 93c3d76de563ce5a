"""Idle timeouts that fall due while a session is served from the cache: slid behind the requests, many in one trip.

A touch may be lost (the queue is full, the store is down, the process dies): the session then ends earlier than it might, never
later. Logins, commits and revocations never come this way.
"""

import asyncio
import logging
from collections import OrderedDict

from ..exceptions import StoreError
from ..ids import StoreKey
from ..stores.base import Touches

log = logging.getLogger("asgi_session.store")

MAX_WAITING = 10_000
TOGETHER = 256
"""Touches that leave at once: few enough for requests to get their turn."""
GATHER = 0.05
"""Seconds for which touches gather before they leave together."""


class TouchQueue:
    """Touches on their way. State: the queue, which belongs to the event loop's thread."""

    def __init__(self, store: Touches) -> None:
        self._store = store
        self._waiting: OrderedDict[StoreKey, None] = OrderedDict()
        self._flushing: asyncio.Task[None] | None = None
        self.dropped = 0
        """How many were given up: the oldest of a full queue, and all that left together where the store failed at one of them.

        So it is at most too high: a store that fails says so, but not at which (on a Cluster, the nodes that answer have slid
        theirs).
        """

    def add(self, key: StoreKey) -> None:
        """Slide ``key`` soon."""
        self._waiting[key] = None
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
            self.dropped += 1
        flushing = self._flushing
        if flushing is None or flushing.done() or flushing.get_loop() is not asyncio.get_running_loop():
            self._flushing = asyncio.ensure_future(self._flush_soon())

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Send what waits, at once."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None and flushing.get_loop() is asyncio.get_running_loop():
            flushing.cancel()
            await asyncio.wait([flushing])
        await self._flush()

    async def _flush_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER)
            await self._flush()

    async def _flush(self) -> None:
        while self._waiting:
            keys = [self._waiting.popitem(last=False)[0] for _ in range(min(len(self._waiting), TOGETHER))]
            try:
                await self._store.touch(keys)
            except StoreError as error:
                self.dropped += len(keys)
                log.warning("up to %d idle timeouts were not slid: %s", len(keys), error)
            except asyncio.CancelledError:
                self._waiting.update(dict.fromkeys(keys))  # to touch twice does no harm
                raise
