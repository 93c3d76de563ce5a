"""Who wants to know that a session has ended: sockets and streams, which outlive the request that was validated.

The invalidation link tells. Where it can't be believed (its lease runs out), where it may have missed something since the store was
asked last, and every ``RECHECK`` seconds anyway (a session also ends by time), the store is asked. So an open socket ends with its
session within milliseconds, and within two seconds when the link is cut, as long as the store itself can be reached; while nobody
can tell, it stays. However many watches there are, a session is asked for once in ``ASK_AGAIN`` seconds at most, but for one
question more at a loss and for each new watch, and few at a time, so that requests get their turn.

State: the sessions that are watched, by bucket, as news come: a piece of news looks at what it may be about, not at every socket.
It belongs to the event loop's thread, and each method changes it without an await. The link is listened to while it holds anything.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
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

    __slots__ = ("ended", "key")

    def __init__(self, key: StoreKey) -> None:
        self.key = key
        self.ended = asyncio.Event()
        """Set once the session has ended."""


class _Session:
    """One session and who watches it."""

    __slots__ = ("checked", "generation", "key", "tag", "watches")

    def __init__(self, key: StoreKey, tag: str | None) -> None:
        self.key = key
        self.tag = tag
        self.watches: set[Watch] = set()
        self.checked = _NEVER
        """Monotonic time at which the store was asked last."""
        self.generation: int | None = None
        """That of the lease under which it was asked; None where nobody would have told what came after the answer."""


class SessionWatch:
    """All watches of a middleware."""

    def __init__(
        self, store: "SessionStore", link: InvalidationLink | None, namespace: str, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._link = link
        self._namespace = namespace
        self._monotonic = monotonic
        self._buckets: dict[str, dict[str, _Session]] = {}  # by bucket, then by digest; none of them is empty
        self._checker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(len(session.watches) for sessions in self._buckets.values() for session in sessions.values())

    def add(self, record: Record) -> Watch:
        """Watch a session that was live a moment ago."""
        if not self._buckets and self._link is not None:
            self._link.listen(self.hear)
        watch = Watch(record.key)
        sessions = self._buckets.setdefault(record.key.bucket, {})
        session = sessions.get(record.key.digest)
        if session is None:
            tag = user_tag(record.user_id, self._namespace) if record.user_id is not None else None
            session = sessions[record.key.digest] = _Session(record.key, tag)
        session.watches.add(watch)
        session.checked = _NEVER  # it may have ended since the request was validated, before anybody watched
        if self._checker is None or self._checker.done() or self._checker.get_loop() is not asyncio.get_running_loop():
            self._checker = asyncio.ensure_future(self._check())
        return watch

    def remove(self, watch: Watch) -> None:
        """Nobody is interested any more."""
        session = self._buckets.get(watch.key.bucket, {}).get(watch.key.digest)
        if session is not None:
            session.watches.discard(watch)
            if not session.watches:
                self._forget(session)

    def hear(self, news: Invalidation | None) -> None:
        """End those that the news is about; ask for those of which it leaves open what became of them."""
        if news is None:
            self._hear_of_a_loss()
            return
        if news.kind == "changed" and news.detail:
            return  # it goes on
        sessions = self._buckets.get(news.bucket, {})
        if news.kind in ("changed", "ended"):
            session = sessions.get(news.subject)
            if session is not None:
                if news.kind == "ended":
                    self._end(session)
                else:
                    _doubt((session,))
        elif news.kind in ("user", "all"):
            for session in list(sessions.values()):
                if news.kind == "all" or (session.tag == news.subject and session.key.digest != news.detail):
                    self._end(session)
        else:
            _doubt(sessions.values())

    def _hear_of_a_loss(self) -> None:
        for bucket, sessions in self._buckets.items():
            generation = self._link.lease(bucket).generation if self._link is not None else None
            _doubt(session for session in sessions.values() if session.generation not in (None, generation))

    async def start(self) -> None:
        """Nothing to open: the looks begin with the first watch."""

    async def stop(self) -> None:
        """Stop looking."""
        checker, self._checker = self._checker, None
        for session in [session for sessions in self._buckets.values() for session in sessions.values()]:
            self._forget(session)
        if checker is not None and checker.get_loop() is asyncio.get_running_loop():
            checker.cancel()
            await asyncio.wait([checker])

    def _end(self, session: _Session) -> None:
        for watch in session.watches:
            watch.ended.set()
        self._forget(session)

    def _forget(self, session: _Session) -> None:
        session.watches.clear()
        bucket, digest = session.key
        sessions = self._buckets.get(bucket, {})
        if sessions.get(digest) is not session:
            return
        del sessions[digest]
        if not sessions:
            del self._buckets[bucket]
            if not self._buckets and self._link is not None:
                self._link.unlisten(self.hear)

    async def _check(self) -> None:
        """Ask the store for those whose news can't be believed; ends with the last watch."""
        while self._buckets:
            due = self._due()
            for first in range(0, len(due), TOGETHER):
                await asyncio.gather(*map(self._ask, due[first : first + TOGETHER]))
            await asyncio.sleep(LOOK_EVERY)

    def _due(self) -> list[_Session]:
        now = self._monotonic()
        due: list[_Session] = []
        for bucket, sessions in self._buckets.items():
            generation = self._believed(bucket, now + MARGIN)
            for session in sessions.values():
                is_told = generation is not None and session.generation == generation
                if now >= session.checked + (RECHECK if is_told else ASK_AGAIN):
                    due.append(session)
        return due

    def _believed(self, bucket: str, moment: float) -> int | None:
        """The generation of the bucket's lease; None where its silence means nothing at ``moment`` (monotonic)."""
        if self._link is None:
            return None
        lease = self._link.lease(bucket)
        return lease.generation if moment < lease.until else None

    async def _ask(self, session: _Session) -> None:
        if not session.watches:
            return  # over, or left, while others were asked for
        now = self._monotonic()
        session.checked = now  # before the answer: news that comes meanwhile may ask for another one
        session.generation = self._believed(session.key.bucket, now)
        try:
            record = await self._store.load(session.key)
        except StoreError as error:
            session.generation = None
            log.debug("whether a watched session is live can't be told: %s", error)
        except Exception:  # the other watches, and this one's next look, don't depend on it
            session.generation = None
            log.exception("a watched session could not be asked for")
        else:
            if record is None:
                self._end(session)
                if self._link is not None:  # it may be cached, or watched by others
                    self._link.tell(Invalidation("ended", *session.key))


def _doubt(sessions: Iterable[_Session]) -> None:
    """Nobody knows what became of them: ask soon."""
    for session in sessions:
        session.checked = _NEVER
