"""The entries: what is known of the sessions that this process met lately, by the credential as it came over the wire.

An entry is believed while its own age, its deadline and its lease (``link.py``) allow it; a hit needs no signature, no parsing and
no I/O, and holds nothing that a handler can change. Bounded by entries and by bytes; what was used least recently goes first.

A fill that raced news about its session is dropped: ``begin`` before the store is asked, ``fill`` with its answer. What a verdict
allows, ``trust`` says after it: whoever is judged badly, or not at all since something broke, leaves nothing to ride on. All state
belongs to the event loop's thread; each method runs without an await.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import replace
from sys import getsizeof
from typing import Literal

from ..ids import StoreKey, user_tag
from ..principal import Principal
from ..record import Record
from ..snapshot import Snapshot
from .link import Invalidation, InvalidationLink, Lease
from .policy import CachePolicy

_OVERHEAD = 2700
"""Bytes that an entry takes beside what differs in size: measured (``tests/cache/test_sessions.py``)."""

_MOST_LAPSED = 1000
"""Entries of which it is remembered why they went: a hint for whoever reads a verdict, worth little memory."""

Lapse = Literal["stale", "invalidated"]

Context = tuple[bytes | str, ...] | None
"""What a verdict is bound to: network, user agent, accept headers, device."""


def _length(context: Context) -> int:
    return sum(map(len, context)) if context is not None else 0


class Entry:
    """One session, or the knowledge that there is none (``snapshot`` is None)."""

    __slots__ = (
        "context",
        "expires",
        "full_until",
        "generation",
        "key",
        "lease",
        "loaded",
        "principal",
        "quick_until",
        "size",
        "snapshot",
        "tag",
        "touch_at",
    )

    def __init__(self, key: StoreKey, lease: Lease, loaded: float, expires: float) -> None:
        self.key = key
        self.snapshot: Snapshot | None = None
        self.loaded = loaded
        """Monotonic time at which the store was asked."""
        self.lease = lease
        self.generation = lease.generation
        self.expires = expires
        self.principal: Principal | None = None
        self.tag: str | None = None
        self.context: Context = None
        self.full_until = 0.0
        self.touch_at = 0.0
        self.quick_until = 0.0
        """Until then nothing is due: neither a full validation nor a touch."""
        self.size = _OVERHEAD


class Fill:
    """A load under way."""

    __slots__ = ("generation", "heard", "key", "lease", "raced", "started")

    def __init__(self, key: StoreKey, lease: Lease, now: float) -> None:
        self.key = key
        self.lease = lease
        self.generation = lease.generation
        self.started = now
        self.heard = now < lease.until
        """Whether we would be told of news that comes while we load."""
        self.raced = False
        """News came meanwhile, so the answer may be old."""

    def may_be_joined(self) -> bool:
        """Whether nothing has happened since it began that a request which comes now must see."""
        return not self.raced and self.generation == self.lease.generation


class SessionCache:
    """The L1 of one middleware."""

    def __init__(
        self, link: InvalidationLink, policy: CachePolicy, monotonic: Callable[[], float], namespace: str, full_every: float
    ) -> None:
        self._link = link
        self._policy = policy
        self._monotonic = monotonic
        self._namespace = namespace
        self._full_every = full_every
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._credentials: defaultdict[str, dict[StoreKey, str]] = defaultdict(dict)  # by bucket, as news of many come
        self._fills: dict[StoreKey, Fill] = {}
        self._lapsed: OrderedDict[str, Lapse] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        link.listen(self.hear)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Estimate of what the entries take."""
        return self._bytes

    def get(self, credential: str, now: float) -> Entry | None:
        """The entry of ``credential``, if it may be believed ``now`` (monotonic)."""
        entry = self._entries.get(credential)
        if entry is None:
            self.misses += 1
            return None
        lease = entry.lease
        if now >= entry.expires or now >= lease.until or entry.generation != lease.generation:
            self._lapse(credential, "stale" if now >= entry.expires else "invalidated")
            self.misses += 1
            return None
        self._entries.move_to_end(credential)
        self.hits += 1
        return entry

    def why_missed(self, credential: str) -> Lapse | Literal[""]:
        """Why ``credential`` has no entry any more, told once; empty at first sight, and where that is long ago."""
        return self._lapsed.pop(credential, "")

    def begin(self, key: StoreKey) -> Fill:
        """Say that the store is about to be asked for ``key``."""
        earlier = self._fills.get(key)
        if earlier is not None:
            earlier.raced = True  # from now on it is not told of news any more
        fill = self._fills[key] = Fill(key, self._link.lease(key.bucket), self._monotonic())
        return fill

    def fill(self, fill: Fill, credential: str, record: Record | None, touch_after: float) -> Snapshot | None:
        """Keep the store's answer, unless news made it old meanwhile or the link can't be trusted; returns what is kept.

        Nobody rides on it before ``trust`` has said for whom it is good.
        """
        self.end(fill)
        if not fill.heard or not fill.may_be_joined() or self._monotonic() >= fill.lease.until:
            return None
        age = self._policy.max_age if record is not None else self._policy.absent_age
        if record is not None:
            age = min(age, record.deadline - record.read_at)
        if age <= 0:
            return None
        before = self._credentials[fill.key.bucket].get(fill.key, credential)  # signed with another secret: one entry a session
        for known in {credential, before}:
            if known in self._entries:
                self._drop(known)
        entry = self._entry(fill, age, record, touch_after)
        if entry.size > self._policy.max_bytes:
            return None  # rather than throw out all others for it
        self._entries[credential] = entry
        self._credentials[fill.key.bucket][fill.key] = credential
        self._grow(entry.size)
        return entry.snapshot

    def trust(self, credential: str, record: Record, context: Context) -> None:
        """The full tier has accepted ``record`` in this context: from now on, the quick tier may accept it there."""
        entry = self._entries.get(credential)
        # not where the entry is of another load, whose fingerprint may be another client's
        if entry is not None and entry.snapshot is not None and entry.snapshot.record.metadata is record.metadata:
            growth = _length(context) - _length(entry.context)
            entry.context = context
            entry.size += growth
            self._grow(growth)

    def _grow(self, more: int) -> None:
        self._bytes += more
        while len(self._entries) > self._policy.max_entries or self._bytes > self._policy.max_bytes:
            self._drop(next(iter(self._entries)))
            self.evictions += 1

    def _entry(self, fill: Fill, age: float, record: Record | None, touch_after: float) -> Entry:
        now = fill.started  # the store looked later than this, so nothing of what it said ends earlier than we think
        entry = Entry(fill.key, fill.lease, now, now + age)
        if record is not None:
            entry.snapshot = snapshot = Snapshot(replace(record, slid_from=None) if record.slid_from is not None else record)
            entry.full_until = now + self._full_every
            entry.touch_at = now + max(0.0, touch_after - (record.read_at - record.last_seen_at))
            entry.quick_until = min(entry.full_until, entry.touch_at)
            entry.size += snapshot.size + sum(map(getsizeof, record.metadata.values()))
            if record.user_id is not None:
                entry.size += len(record.user_id)
                entry.principal = Principal(record.user_id)
                entry.tag = user_tag(record.user_id, self._namespace)
        return entry

    def end(self, fill: Fill) -> None:
        """The load is over, with or without an answer."""
        if self._fills.get(fill.key) is fill:
            del self._fills[fill.key]

    def hear(self, news: Invalidation | None) -> None:
        """Forget what the news makes old."""
        if news is None:
            self._hear_of_a_loss()
        elif news.kind in ("changed", "ended"):
            self._hear_of_one(news)
        else:
            self._hear_of_many(news)

    def _hear_of_a_loss(self) -> None:
        """Forget what nobody will believe any more, so that it takes no memory; a fill sees by itself that its lease was revoked.

        The others stay: on a Cluster, a lost node says nothing about the sessions of the nodes whose news still come.
        """
        for credential in [known for known, entry in self._entries.items() if entry.generation != entry.lease.generation]:
            self._lapse(credential, "invalidated")

    def _hear_of_one(self, news: Invalidation) -> None:
        key = news.key
        fill = self._fills.get(key)
        if fill is not None:
            fill.raced = True
        credential = self._credentials[key.bucket].get(key)
        if credential is None:
            return
        snapshot = self._entries[credential].snapshot
        if news.kind == "changed" and news.detail and snapshot is not None and snapshot.record.version >= int(news.detail):
            return  # we read it after that change
        self._lapse(credential, "invalidated")

    def _hear_of_many(self, news: Invalidation) -> None:
        """Of one user's sessions, or of all in a bucket: also where nobody here understands what happened to them."""
        one_user = news.kind == "user"
        for key, fill in self._fills.items():
            if key.bucket == news.bucket and not (one_user and key.digest == news.detail):
                fill.raced = True
        gone = [
            credential
            for key, credential in self._credentials[news.bucket].items()
            if not one_user or (self._entries[credential].tag == news.subject and key.digest != news.detail)
        ]
        for credential in gone:
            self._lapse(credential, "invalidated")

    def _lapse(self, credential: str, why: Lapse) -> None:
        """Drop an entry, and remember for the next request why it is validated in full again."""
        if self._entries[credential].snapshot is not None:
            self._lapsed[credential] = why
            self._lapsed.move_to_end(credential)
            if len(self._lapsed) > _MOST_LAPSED:
                self._lapsed.popitem(last=False)
        self._drop(credential)

    def _drop(self, credential: str) -> None:
        entry = self._entries.pop(credential)
        self._bytes -= entry.size
        del self._credentials[entry.key.bucket][entry.key]
