"""Sessions in this process: for development, tests and single-process services. Bounded; forgets everything at exit.

All state belongs to the event loop's thread, and each method runs without an await between reading and writing: that is its
atomic step. Records are immutable and their values are bytes, so nothing that a handler changes can reach another request.

Nothing runs by itself: each new session takes away a few that have expired. When ``max_sessions`` are held, all expired ones go
first, then the anonymous one that was used least recently, then the logged-in one: a flood of visitors can't sign users out.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from ..cache.link import Invalidation, InvalidationLink, LocalLink
from ..clock import SYSTEM_CLOCK, Clock
from ..exceptions import Problem, StoreError
from ..ids import BUCKETS, StoreKey, user_bucket, user_tag
from ..record import CONFLICT, Changes, Conflict, Draft, Record, changed, evicted_by
from .base import MAX_LISTED, StoreHealth, StoreStats
from .moves import Moves

REVOKED_IS_LISTED = 24 * 3600.0
"""Seconds for which a revoked session is still listed (security row PR-02)."""

_TAKEN = "A new session id is taken already: the random source of this machine repeats itself."

_DROPS = 8
"""Expired sessions that a new one takes away: more than the one that it adds, so that what is over goes while others come."""


class MemoryStore:
    """A :class:`~asgi_session.stores.base.SessionStore` in a dictionary."""

    def __init__(self, *, max_sessions: int = 100_000, namespace: str = "asgi_session", clock: Clock = SYSTEM_CLOCK) -> None:
        self.namespace = namespace
        self._max_sessions = max_sessions
        self._clock = clock
        self._anonymous: OrderedDict[StoreKey, Record] = OrderedDict()
        self._users: OrderedDict[StoreKey, Record] = OrderedDict()
        self._of_user: dict[str, set[StoreKey]] = {}
        self._user_epochs: dict[str, int] = {}
        self._epoch = 0
        self._issued = 0
        self._deadlines: list[tuple[float, StoreKey]] = []
        self._moves = Moves(clock)
        self.link: InvalidationLink = LocalLink()

    def problems(self) -> list[Problem]:
        """A bound below 1 can't hold a session."""
        if self._max_sessions < 1:
            return [Problem("store.max_sessions", f"{self._max_sessions} is too small.", "Use a number of at least 1.")]
        return []

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close; the sessions stay, as an application may be started again in the same process."""

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        """See :meth:`SessionStore.create`."""
        if key in self._anonymous or key in self._users:
            raise StoreError(_TAKEN)
        old = self._moves.follow(replaces) if replaces is not None else None
        now = self._clock.now()
        for too_many in evicted_by(draft, self._others_of(draft, old)):
            self._end(too_many.key)
        if old is not None:
            self._end(old)
        record = Record(
            key=key,
            user_id=draft.user_id,
            created_at=now,
            last_seen_at=now,
            idle_timeout=draft.idle_timeout,
            expires_at=now + draft.absolute_timeout,
            version=1,
            issued=self._next_issue(),
            read_at=now,
            authenticated_at=now if draft.user_id is not None else None,
            metadata=MappingProxyType(dict(draft.metadata)),
            data=MappingProxyType(dict(draft.data)),
        )
        self._drop_expired(now, looks=_DROPS)
        if record.deadline > now:  # a timeout of zero or less: the session has ended before it began
            self._keep(record)
            self._evict()
        return record

    async def load(self, key: StoreKey, *, touch_after: float | None = None) -> Record | None:
        """See :meth:`SessionStore.load`."""
        record = self._live(key)
        if record is None:
            return None
        self._shelf(record).move_to_end(key)
        now = self._clock.now()
        if touch_after is None or now - record.last_seen_at < touch_after:
            return replace(record, read_at=now)
        self._keep(replace(record, last_seen_at=now))
        return replace(record, last_seen_at=now, slid_from=record.last_seen_at, read_at=now)

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        """See :meth:`SessionStore.commit`."""
        record = self._live(key)
        if record is None:
            return None
        if changes.if_version is not None and changes.if_version != record.version:
            return CONFLICT
        record = self._changed(record, changes)
        self._keep(record)
        self.link.tell(Invalidation("changed", key.bucket, key.digest, str(record.version)))
        return record

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        """See :meth:`SessionStore.regenerate`."""
        if changes.login is not None:
            old = self._moves.follow(old)
        record = self._live(old)
        if record is None:
            return None
        if changes.if_version is not None and changes.if_version != record.version:
            return CONFLICT
        if new in self._anonymous or new in self._users:
            raise StoreError(_TAKEN)
        record = self._changed(record, changes)
        self._end(old)
        moved = replace(record, key=new, issued=self._next_issue())
        self._keep(moved)
        if changes.login is None:
            self._moves.note(old, new)
        return moved

    async def destroy(self, key: StoreKey) -> bool:
        """See :meth:`SessionStore.destroy`."""
        key = self._moves.follow(key)
        was_live = self._live(key) is not None
        self._end(key)
        return was_live

    async def touch(self, keys: Sequence[StoreKey]) -> None:
        """See :meth:`Touches.touch`."""
        for key in keys:
            await self.load(key, touch_after=0.0)

    async def list_for_user(self, user_id: str) -> Sequence[Record]:
        """See :meth:`UserSessions.list_for_user`."""
        now = self._clock.now()
        found = [replace(self._as_listed(self._users[key]), data={}) for key in self._of_user.get(user_id, ())]
        live = [
            record
            for record in found
            if record.deadline > now and (record.revoked_at is None or now < record.revoked_at + REVOKED_IS_LISTED)
        ]
        if len(live) > MAX_LISTED:
            live = heapq.nlargest(MAX_LISTED, live, key=lambda record: (record.expires_at, record.issued))
        return sorted(live, key=lambda record: (record.created_at, record.issued), reverse=True)

    async def revoke(self, key: StoreKey) -> bool:
        """See :meth:`UserSessions.revoke`."""
        key = self._moves.follow(key)
        record = self._live(key)
        if record is None:
            self.link.tell(Invalidation("ended", key.bucket, key.digest))  # nothing is lost here, but who asks for an end gets it
            return False
        now = self._clock.now()
        self._keep(replace(record, revoked_at=now, data={}, expires_at=min(record.expires_at, now + REVOKED_IS_LISTED)))
        self.link.tell(Invalidation("ended", key.bucket, key.digest))
        return True

    async def revoke_user(self, user_id: str, *, keep: StoreKey | None = None) -> bool:
        """See :meth:`UserSessions.revoke_user`."""
        kept = self._live(keep) if keep is not None else None
        if keep is not None and (kept is None or kept.user_id != user_id):
            return False
        if user_id in self._of_user:  # else there is nothing to revoke, and nothing that would ever take the epoch away
            self._user_epochs[user_id] = self._next_issue()
        if kept is not None:
            self._keep(replace(kept, issued=self._next_issue()))
        bucket, tag = user_bucket(user_id, self.namespace), user_tag(user_id, self.namespace)
        self.link.tell(Invalidation("user", bucket, tag, kept.key.digest if kept is not None else ""))
        return True

    async def revoke_all(self) -> None:
        """See :meth:`UserSessions.revoke_all`."""
        self._epoch = self._next_issue()
        for number in range(BUCKETS):
            self.link.tell(Invalidation("all", f"{number:03x}"))

    async def health(self) -> StoreHealth:
        """Always healthy: it lives and dies with the process."""
        return StoreHealth("healthy", 0.0)

    async def stats(self) -> StoreStats:
        """How many sessions are held (expired ones that nobody asked for since are counted until they are cleaned up)."""
        return StoreStats(sessions=len(self._anonymous) + len(self._users))

    async def cleanup(self) -> int:
        """See :meth:`Maintenance.cleanup`."""
        return self._drop_expired(self._clock.now())

    def _end(self, key: StoreKey) -> None:
        self._forget(key)
        self.link.tell(Invalidation("ended", key.bucket, key.digest))

    def _others_of(self, draft: Draft, replaced: StoreKey | None) -> list[Record]:
        """The user's other live sessions. Where there are more than are listed, revoked ones go: each login would look at them."""
        keys = tuple(self._of_user.get(draft.user_id, ())) if draft.user_id is not None and draft.cap is not None else ()
        others = []
        for key in keys:
            record = self._live(key)
            if record is None and len(keys) > MAX_LISTED:
                self._forget(key)
            elif record is not None and key != replaced:
                others.append(record)
        return others

    # -- one step each, no await inside ------------------------------------------------------------------------------

    def _next_issue(self) -> int:
        # microseconds, so that an epoch also tells when it began; never twice the same, also when the clock steps back
        self._issued = max(int(self._clock.now() * 1_000_000), self._issued + 1)
        return self._issued

    def _shelf(self, record: Record) -> OrderedDict[StoreKey, Record]:
        return self._anonymous if record.user_id is None else self._users

    def _live(self, key: StoreKey) -> Record | None:
        record = self._users.get(key) or self._anonymous.get(key)
        if record is None or record.revoked_at is not None or record.issued <= self._epoch_of(record):
            return None
        if record.deadline <= self._clock.now():
            self._forget(key)
            return None
        return record

    def _epoch_of(self, record: Record) -> int:
        mine = self._user_epochs.get(record.user_id, 0) if record.user_id is not None else 0
        return max(mine, self._epoch)

    def _as_listed(self, record: Record) -> Record:
        epoch = self._epoch_of(record)
        if record.revoked_at is None and record.issued <= epoch:
            return replace(record, revoked_at=epoch / 1_000_000)
        return record

    def _changed(self, record: Record, changes: Changes) -> Record:
        return changed(record, changes, self._clock.now())

    def _keep(self, record: Record) -> None:
        key = record.key
        shelf = self._shelf(record)
        shelf[key] = record
        shelf.move_to_end(key)
        if record.user_id is not None:
            self._of_user.setdefault(record.user_id, set()).add(key)
        heapq.heappush(self._deadlines, (record.deadline, key))
        if len(self._deadlines) > 2 * (len(self._anonymous) + len(self._users)) + 64:
            self._deadlines = [(r.deadline, k) for shelf in (self._anonymous, self._users) for k, r in shelf.items()]
            heapq.heapify(self._deadlines)

    def _forget(self, key: StoreKey) -> None:
        self._anonymous.pop(key, None)
        record = self._users.pop(key, None)
        if record is not None and record.user_id is not None:
            keys = self._of_user[record.user_id]
            keys.discard(key)
            if not keys:
                del self._of_user[record.user_id]
                self._user_epochs.pop(record.user_id, None)  # nothing is left that it could revoke

    def _drop_expired(self, now: float, looks: float = math.inf) -> int:
        dropped = 0
        while looks > 0 and self._deadlines and self._deadlines[0][0] <= now:
            looks -= 1
            _, key = heapq.heappop(self._deadlines)
            record = self._users.get(key) or self._anonymous.get(key)
            if record is not None and record.deadline <= now:  # it may have been touched since
                self._forget(key)
                dropped += 1
        return dropped

    def _evict(self) -> None:
        if len(self._anonymous) + len(self._users) > self._max_sessions:
            self._drop_expired(self._clock.now())
        while len(self._anonymous) + len(self._users) > self._max_sessions:
            shelf = self._anonymous or self._users
            self._end(next(iter(shelf)))  # it was alive: caches and sockets have to hear of it
