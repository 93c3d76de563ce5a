"""A session store in Redis: standalone, Sentinel or Cluster.

Who changes what: every key is changed by the scripts in ``lua/`` alone, each of which is one atomic step on the server, with the
server's clock. A crash between two steps leaves nothing half-done, with one exception that is chosen: at a login on a Cluster
whose node of the anonymous session is not the node of the user, the old session ends in one step and the new one is made in a
second. A crash in between signs nobody in and leaves no old id alive.

Whoever ends a session that got a new id meanwhile takes the step a second time, at its new place. The first try changed nothing, so
a crash in between leaves the session as it was, and nobody was told that it had ended; a newer id that is given in between is
followed as well.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from ...cache.link import Invalidation, InvalidationLink
from ...exceptions import Problem, SessionCapReached, StoreUnavailable
from ...ids import BUCKETS, StoreKey, user_bucket, user_tag
from ...record import CONFLICT, Changes, Conflict, Draft, Record
from ...redis.client import RedisClient
from ...redis.slots import SlotMoving
from ...session_cap import CAP_REACHED
from ..base import MAX_LISTED, StoreHealth, StoreStats
from .fields import change_arguments, draft_arguments, milliseconds, record_after, record_of
from .keys import Keys
from .link import RedisLink
from .scripts import scripts

REVOKED_IS_LISTED = 24 * 3600.0
"""Seconds for which a revoked session is still listed (security row PR-02)."""

_TOGETHER = 64
"""Buckets that ``revoke_all`` treats at once: few enough for a server that has to be sent the script each time."""

_MOST_MOVES = 16
"""New ids that are followed to a session's end, each in a trip of its own: more than one request can meet."""

_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class RedisStore:
    """A :class:`~asgi_session.stores.base.SessionStore` in Redis, with its two extra powers."""

    def __init__(self, client: RedisClient, *, namespace: str = "asgi_session") -> None:
        self.namespace = namespace
        self.client = client
        self.link: InvalidationLink = RedisLink(client, namespace)
        self._keys = Keys(namespace)
        self._scripts = scripts(sharded=client.is_cluster, database=client.database)

    def problems(self) -> list[Problem]:
        """A wrong URL or namespace."""
        found = list(self.client.problems())
        if not _NAMESPACE.fullmatch(self.namespace):
            fix = "Use 1 to 64 letters, digits, '_', '.' or '-'."
            found.append(Problem("store.namespace", f"{self.namespace[:80]!r} can't be part of a key.", fix))
        return found

    async def start(self) -> None:
        """Connect. Raises StoreUnavailable where Redis can't be reached; commands connect later on their own."""
        await self.client.open()

    async def stop(self) -> None:
        """Let what is under way finish, then close the connections."""
        await self.client.close()

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        """See :meth:`SessionStore.create`."""
        tag = user_tag(draft.user_id, self.namespace) if draft.user_id is not None else ""
        names = [*self._names(key), self._keys.index(key.bucket, tag)]
        if replaces is not None and self.client.is_cluster and key.bucket != replaces.bucket:
            cap = draft.kept_cap
            if cap is not None and cap.when_full == "refuse" and not await self._has_room(names[1:], cap.limit):
                raise SessionCapReached(CAP_REACHED)
            await self.destroy(replaces)
            replaces = None
        described = draft_arguments(draft, tag)
        if replaces is None:
            made = await self.client.run(self._scripts.create, names, [key.digest, "", *described])
        else:
            replaces, made = await self._follow(
                replaces,
                lambda old: self.client.run(
                    self._scripts.create, [*names, *self._names(old)], [key.digest, old.digest, *described]
                ),
            )
        if not made:
            raise SessionCapReached(CAP_REACHED)
        if replaces is not None:
            self._tell_ended(replaces)
        now, issued, evicted = made
        for digest in evicted:
            self._tell_ended(StoreKey(key.bucket, digest.decode()))
        created_at = int(now) / 1000
        return Record(
            key=key,
            user_id=draft.user_id,
            created_at=created_at,
            last_seen_at=created_at,
            idle_timeout=milliseconds(draft.idle_timeout) / 1000,
            expires_at=created_at + milliseconds(draft.absolute_timeout) / 1000,
            version=1,
            issued=int(issued),
            read_at=created_at,
            authenticated_at=created_at if draft.user_id is not None else None,
            metadata=draft.metadata,
            data=draft.data,
        )

    async def _has_room(self, names: Sequence[str], limit: int) -> bool:
        return bool(await self.client.run(self._scripts.room, names, [limit]))

    async def load(self, key: StoreKey, *, touch_after: float | None = None) -> Record | None:
        """See :meth:`SessionStore.load`."""
        share = "" if touch_after is None else milliseconds(touch_after)
        try:
            found = await self.client.run(self._scripts.load, self._names(key), [share])
        except SlotMoving:
            # Session and bucket are on two nodes, or the session on none. One key alone can be asked for on both: the node that
            # gives the slot away sends on what it has not, and it lets go of a key only after the other node has it.
            if await self.client.command("EXISTS", self._keys.session(key)):
                raise
            return None
        return record_of(key, *found) if found else None

    async def touch(self, keys: Sequence[StoreKey]) -> None:
        """See :meth:`Touches.touch`. All leave together."""
        steps = [self.client.run(self._scripts.touch, self._names(key), []) for key in keys]
        errors = [error for error in await asyncio.gather(*steps, return_exceptions=True) if isinstance(error, BaseException)]
        if errors:
            raise errors[0]

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        """See :meth:`SessionStore.commit`."""
        version = "" if changes.if_version is None else changes.if_version
        arguments = [key.digest, version, *change_arguments(changes)]
        with self._telling(key):
            found = await self.client.run(self._scripts.commit, self._names(key), arguments)
        if found == 0:
            self._tell_changed(key)  # by whoever was faster
            return CONFLICT
        if not found:
            self._tell_ended(key)
            return None
        record = record_after(key, found)
        self._tell_changed(key, str(record.version))
        return record

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        """See :meth:`SessionStore.regenerate`."""
        tag = user_tag(user_id, self.namespace) if user_id is not None else ""
        names = [*self._names(new), self._keys.index(new.bucket, tag)]
        version = "" if changes.if_version is None else changes.if_version
        arguments = [new.digest, version, *change_arguments(changes)]
        old, found = await self._follow(
            old,
            lambda at: self.client.run(self._scripts.regenerate, [self._keys.session(at), *names], [at.digest, *arguments]),
        )
        if found == 0:
            self._tell_changed(old)
            return CONFLICT
        record = record_after(new, found) if found else None
        self._tell_ended(old)
        return record

    async def destroy(self, key: StoreKey) -> bool:
        """See :meth:`SessionStore.destroy`."""
        step = self._scripts.destroy
        key, was_live = await self._follow(key, lambda at: self.client.run(step, self._names(at), [at.digest]))
        self._tell_ended(key)
        return bool(was_live)

    async def list_for_user(self, user_id: str) -> Sequence[Record]:
        """See :meth:`UserSessions.list_for_user`."""
        bucket, tag = user_bucket(user_id, self.namespace), user_tag(user_id, self.namespace)
        index = self._keys.index(bucket, tag)
        names = [self._keys.bucket(bucket), index]
        while True:  # again only where so many entries were of sessions that are over that there may be others behind them
            now, epoch, rows, absent, more = await self.client.run(self._scripts.list, names, [tag, MAX_LISTED])
            if not (await self._prune(index, absent) and more):
                break
        records = [_as_listed(record_of(StoreKey(bucket, row[0].decode()), row[1], now), int(epoch)) for row in rows]
        oldest = int(now) / 1000 - REVOKED_IS_LISTED
        listed = [record for record in records if record.revoked_at is None or record.revoked_at > oldest]
        return sorted(listed, key=lambda record: (record.created_at, record.issued), reverse=True)

    async def revoke(self, key: StoreKey) -> bool:
        """See :meth:`UserSessions.revoke`."""
        step, listed = self._scripts.revoke, milliseconds(REVOKED_IS_LISTED)
        key, was_live = await self._follow(key, lambda at: self.client.run(step, self._names(at), [at.digest, listed]))
        self._tell_ended(key)
        return bool(was_live)

    async def revoke_user(self, user_id: str, *, keep: StoreKey | None = None) -> bool:
        """See :meth:`UserSessions.revoke_user`."""
        bucket = user_bucket(user_id, self.namespace)
        names = [self._keys.bucket(bucket)]
        if keep is not None and keep.bucket == bucket:
            names.append(self._keys.session(keep))
        tag, kept = user_tag(user_id, self.namespace), keep.digest if keep is not None else ""
        done = bool(await self.client.run(self._scripts.revoke_user, names, [tag, kept]))
        if done:
            self.link.tell(Invalidation("user", bucket, tag, kept))
        return done

    async def revoke_all(self) -> None:
        """See :meth:`UserSessions.revoke_all`. One step per bucket: a crash in between has ended the sessions of some buckets."""
        for first in range(0, BUCKETS, _TOGETHER):
            buckets = [f"{number:03x}" for number in range(first, first + _TOGETHER)]
            await asyncio.gather(*(self.client.run(self._scripts.revoke_all, [self._keys.bucket(name)], []) for name in buckets))
            for name in buckets:
                self.link.tell(Invalidation("all", name))

    async def health(self) -> StoreHealth:
        """See :meth:`Maintenance.health`."""
        health = await self.client.health()
        return StoreHealth(health.state, health.latency, health.detail)

    async def stats(self) -> StoreStats:
        """Counts the sessions by walking the keyspace in small steps: for operators, never for a request."""
        sessions = 0
        async for _ in self.client.scan(self._keys.all_sessions):
            sessions += 1
        return StoreStats(sessions=sessions)

    async def cleanup(self) -> int:
        """Redis removes expired sessions by itself; this removes what still lists them. How many entries went."""
        gone = 0
        async for index in self.client.scan(self._keys.all_indexes):
            listed = await self.client.command("ZRANGE", index, 0, -1, key=index)
            with contextlib.suppress(SlotMoving):  # its entries are for the next time
                for first in range(0, len(listed), MAX_LISTED):
                    gone += await self._prune(index, listed[first : first + MAX_LISTED])
        return gone

    async def _prune(self, index: str, digests: Sequence[bytes]) -> int:
        """Drop from a user's index those of these sessions that are over; how many were.

        Raises:
            SlotMoving: nobody can tell just now, nothing was dropped.
        """
        if not digests:
            return 0
        sessions = [self._keys.session_beside(index, digest.decode()) for digest in digests]
        return int(await self.client.run(self._scripts.prune, [index, *sessions], digests))

    async def _follow(self, key: StoreKey, step: Callable[[StoreKey], Awaitable[Any]]) -> tuple[StoreKey, Any]:
        """Take a step that ends a session, under the id that it has by now; returns where that was, and what the step says.

        The session's key has to be declared to the script (see ``lua/session.lua``); so one that finds that the id was
        regenerated only says where the session is.
        """
        for _ in range(_MOST_MOVES):
            with self._telling(key):
                reply = await step(key)
            if not isinstance(reply, bytes):
                return key, reply
            self._tell_ended(key)
            key = key._replace(digest=reply.decode())
        raise StoreUnavailable("The session gets new ids faster than it can be followed to its end. It is still alive.")

    # This process's own cache and sockets hear at once what a step did; the others hear of it by the script's message.

    @contextlib.contextmanager
    def _telling(self, key: StoreKey | None) -> Generator[None, None, None]:
        """Where the step fails, nobody knows whether it happened."""
        try:
            yield
        except BaseException:
            if key is not None:
                self._tell_changed(key)
            raise

    def _tell_changed(self, key: StoreKey, version: str = "") -> None:
        self.link.tell(Invalidation("changed", key.bucket, key.digest, version))

    def _tell_ended(self, key: StoreKey) -> None:
        self.link.tell(Invalidation("ended", key.bucket, key.digest))

    def _names(self, key: StoreKey) -> list[str]:
        return [self._keys.session(key), self._keys.bucket(key.bucket)]


def _as_listed(record: Record, epoch: int) -> Record:
    if record.revoked_at is None and record.issued <= epoch:
        return replace(record, revoked_at=epoch / 1_000_000)
    return record
