"""Who wants to know that a session has ended: sockets and streams, which outlive the request that was validated.

The invalidation link tells. Where it can't be believed (its lease runs out), when it may have missed something, and every
``RECHECK`` seconds anyway (a session also ends by time), the store is asked. So an open socket ends with its session within
milliseconds, and within two seconds when the link is cut, as long as the store itself can be reached; while nobody can tell, it
stays. However many watches there are, a session is asked for once in ``ASK_AGAIN`` seconds at most, and few at a time, so that
requests get their turn.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..exceptions import StoreError
from ..ids import StoreKey, user_tag
from ..record import Record
from .link import Invalidation, InvalidationLink

if TYPE_CHECKING:
    from ..stores.base import SessionStore

log = logging.getLogger("asgi_session.watch")

LOOK_EVERY = 0.25
"""Seconds between two looks at who is due."""
MARGIN = 0.75
"""Seconds before the end of a lease at which the store is asked: a lease that is about to run out was not renewed twice."""
ASK_AGAIN = 1.0
"""Seconds after an answer at which the store is asked again, while the link can't be believed."""
RECHECK = 30.0
"""Seconds after which the store is asked although the link is fine."""
TOGETHER = 64
"""Sessions that are asked for at once."""

_NEVER = -math.inf


class Watch:
    """One socket's or stream's interest in one session."""

    __slots__ = ("checked", "ended", "key", "tag")

    def __init__(self, key: StoreKey, tag: str | None) -> None:
        self.key = key
        self.tag = tag
        self.checked = _NEVER  # it may have ended since its request was validated, before anybody watched
        """Monotonic time at which the store was asked last."""
        self.ended = asyncio.Event()
        """Set once the session has ended."""


class SessionWatch:
    """All watches of a middleware. State belongs to the event loop's thread."""

    def __init__(
        self, store: "SessionStore", link: InvalidationLink | None, namespace: str, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._link = link
        self._namespace = namespace
        self._monotonic = monotonic
        self._watches: set[Watch] = set()
        self._checker: asyncio.Task[None] | None = None
        if link is not None:
            link.listen(self.hear)

    def __len__(self) -> int:
        return len(self._watches)

    def add(self, record: Record) -> Watch:
        """Watch a session that was live a moment ago."""
        tag = user_tag(record.user_id, self._namespace) if record.user_id is not None else None
        watch = Watch(record.key, tag)
        self._watches.add(watch)
        if self._checker is None or self._checker.done() or self._checker.get_loop() is not asyncio.get_running_loop():
            self._checker = asyncio.ensure_future(self._check())
        return watch

    def remove(self, watch: Watch) -> None:
        """Nobody is interested any more."""
        self._watches.discard(watch)

    def hear(self, news: Invalidation | None) -> None:
        """End those that the news is about."""
        for watch in self._watches:
            if news is None or (news.kind == "changed" and not news.detail and news.key == watch.key):
                watch.checked = _NEVER  # nobody knows: ask soon
            elif news.kind != "changed" and news.bucket == watch.key.bucket and _is_over(news, watch):
                watch.ended.set()

    async def start(self) -> None:
        """Nothing to open: the looks begin with the first watch."""

    async def stop(self) -> None:
        """Stop looking."""
        checker, self._checker = self._checker, None
        self._watches.clear()
        if checker is not None and checker.get_loop() is asyncio.get_running_loop():
            checker.cancel()
            await asyncio.wait([checker])

    async def _check(self) -> None:
        """Ask the store for those whose news can't be believed; ends with the last watch."""
        while self._watches:
            due: dict[StoreKey, list[Watch]] = {}
            for watch in self._watches:
                if not watch.ended.is_set() and self._is_due(watch):
                    due.setdefault(watch.key, []).append(watch)
            asked = list(due.items())
            for first in range(0, len(asked), TOGETHER):
                await asyncio.gather(*(self._ask(key, watches) for key, watches in asked[first : first + TOGETHER]))
            await asyncio.sleep(LOOK_EVERY)

    def _is_due(self, watch: Watch) -> bool:
        now = self._monotonic()
        if now < watch.checked + ASK_AGAIN:
            return False
        believed = self._link is not None and now < self._link.lease(watch.key.bucket).until - MARGIN
        return not believed or now >= watch.checked + RECHECK

    async def _ask(self, key: StoreKey, watches: list[Watch]) -> None:
        for watch in watches:
            watch.checked = self._monotonic()  # before the answer: news that comes meanwhile may ask for another one
        try:
            record = await self._store.load(key)
        except StoreError as error:
            log.debug("whether a watched session is live can't be told: %s", error)
            return
        except Exception:  # the other watches, and this one's next look, don't depend on it
            log.exception("a watched session could not be asked for")
            return
        if record is None:
            for watch in watches:
                watch.ended.set()


def _is_over(news: Invalidation, watch: Watch) -> bool:
    if news.kind == "ended":
        return news.subject == watch.key.digest
    if news.kind == "user":
        return news.subject == watch.tag and news.detail != watch.key.digest
    return True
