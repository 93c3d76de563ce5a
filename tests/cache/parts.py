"""Sessions, a link in the test's hands, and a cache that hangs on it."""

import asyncio
from typing import Any

from asgi_session.cache.link import TRUST, Invalidation, Lease, LocalLink
from asgi_session.cache.policy import CachePolicy
from asgi_session.cache.sessions import Context, SessionCache
from asgi_session.ids import StoreKey, new_session_id, random_bucket, store_key, user_bucket
from asgi_session.record import Record
from tests.support.clock import StoppedClock

NAMESPACE = "test"
HERE = (b"firefox", b"en", b"br", "198.51.100.0/24")
ELSEWHERE = (b"curl", b"", b"", "203.0.113.0/24")


class HeldLink(LocalLink):
    """A link whose proofs and losses the test decides; a lease of its own for each bucket, as on a Cluster."""

    def __init__(self, clock: StoppedClock) -> None:
        super().__init__()
        self.clock = clock
        self.leases: dict[str, Lease] = {}

    def lease(self, bucket: str) -> Lease:
        return self.leases.setdefault(bucket, Lease(self.clock.steady + TRUST))

    def prove(self) -> None:
        """All news up to now are here."""
        for lease in self.leases.values():
            lease.until = self.clock.steady + TRUST

    def lose(self, *buckets: str) -> None:
        """The connection is gone, and who knows what with it. ``buckets``: those that it told of; all of them by default."""
        for bucket in buckets or self.leases:
            self.lease(bucket).revoke()
        for listener in self._listeners:
            listener(None)


class ManualTime(StoppedClock):
    """A clock whose sleepers wake up when the test lets time pass, each at its moment."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        """As asyncio's, by this clock."""
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.steady + seconds, woken))
        await woken

    async def let_pass(self, seconds: float) -> None:
        """Let everybody who sleeps less than that wake up in their order, and do what they then do."""
        await settle()
        end = self.steady + seconds
        while due := sorted((sleeper for sleeper in self._sleepers if sleeper[0] <= end), key=lambda sleeper: sleeper[0]):
            at, woken = due[0]
            self._sleepers.remove(due[0])
            self.advance(max(0.0, at - self.steady))
            if not woken.done():
                woken.set_result(None)
            await settle()
        self.advance(end - self.steady)


async def settle() -> None:
    """Let everybody go as far as they can without the test."""
    for _ in range(20):
        await asyncio.sleep(0)


class Shelf:
    """A cache with its clock and its link."""

    def __init__(self, *, full_every: float = 60.0, **policy: Any) -> None:
        self.clock = StoppedClock()
        self.link = HeldLink(self.clock)
        self.cache = SessionCache(self.link, CachePolicy(**policy), self.clock.monotonic, NAMESPACE, full_every)

    def put(self, record: Record | StoreKey, credential: str = "", *, context: Context = HERE, touch_after: float = 1e9) -> str:
        """Load a session (a key alone: the knowledge that there is none) through the cache; returns what it is found by."""
        key = record.key if isinstance(record, Record) else record
        credential = credential or f"credential of {key.digest}"
        fill = self.cache.begin(key)
        self.cache.fill(fill, credential, record if isinstance(record, Record) else None, touch_after)
        if isinstance(record, Record):
            self.cache.trust(credential, record, context)
        return credential

    def holds(self, credential: str) -> bool:
        """Whether a request with this credential would be served from it now."""
        return self.cache.get(credential, self.clock.steady) is not None


def a_key(user_id: str | None = None) -> StoreKey:
    """Where a session that nobody else has could be."""
    return store_key(new_session_id(random_bucket() if user_id is None else user_bucket(user_id, NAMESPACE)))


def a_record(user_id: str | None = None, *, now: float = 1_800_000_000.0, key: StoreKey | None = None, **parts: Any) -> Record:
    """A session that was just loaded."""
    times = {"created_at": now, "last_seen_at": now, "read_at": now, "idle_timeout": 3600.0, "expires_at": now + 86_400.0}
    return Record(key=key or a_key(user_id), user_id=user_id, **{**times, "version": 1, "issued": 1, **parts})


def changed(key: StoreKey, version: str = "") -> Invalidation:
    """The news of a commit."""
    return Invalidation("changed", key.bucket, key.digest, version)


def ended(key: StoreKey) -> Invalidation:
    """The news of a logout."""
    return Invalidation("ended", key.bucket, key.digest)
