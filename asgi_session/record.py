"""What stores keep, and what they are asked to change. Values only: nothing here does I/O or can be altered by a handler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from .codec import check_size
from .exceptions import SessionCapReached
from .ids import StoreKey
from .lifetimes import deadline
from .session_cap import CAP_REACHED, SessionCap

SCHEMA = 1
"""Version of the stored form. A record of another one is treated as absent, so that old and new workers can run side by side."""

EMPTY: Mapping[str, bytes] = MappingProxyType({})
NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Record:
    """A session as the store holds it. Times are seconds since the epoch, on the store's clock."""

    key: StoreKey
    user_id: str | None
    created_at: float
    last_seen_at: float
    """When a request last slid the idle timeout (not every request does: ``lifetimes.TOUCH_SHARE``)."""
    idle_timeout: float
    expires_at: float
    """The absolute end, whatever happens."""
    version: int
    """Grows by one with each commit."""
    issued: int
    """Place in the bucket's order of creations and revocations; a session issued at or before an epoch is revoked by it."""
    read_at: float
    """When the store gave it out: on the store's clock too, so that what is left of its life can be told without ours."""
    authenticated_at: float | None = None
    revoked_at: float | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    """Where the session was made: ``network`` and ``user_agent``, both coarse (``client_description.py``), and ``provider_session``
    where the login named one; or what the manager's ``create`` was given."""
    data: Mapping[str, bytes] = field(default_factory=lambda: EMPTY, repr=False)
    """The handler's values, each encoded on its own (``codec.py``), so that a commit changes single keys."""
    slid_from: float | None = None
    """Where the load that returned this record slid its idle timeout: the ``last_seen_at`` before."""

    @property
    def deadline(self) -> float:
        """When the session ends if nobody asks for it any more."""
        return deadline(self.last_seen_at, self.idle_timeout, self.expires_at)


@dataclass(frozen=True, slots=True)
class Draft:
    """A session that is about to be created."""

    user_id: str | None
    idle_timeout: float
    absolute_timeout: float
    data: Mapping[str, bytes] = field(default_factory=lambda: EMPTY, repr=False)
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    cap: SessionCap | None = None
    """How many live sessions its user may have with it; None sets no bound, and a visitor has none."""

    @property
    def kept_cap(self) -> SessionCap | None:
        """The cap that has to be kept: none for a visitor's session, nor for one that ends before it begins."""
        return self.cap if self.user_id is not None and min(self.idle_timeout, self.absolute_timeout) > 0 else None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one request changed: single keys, so that concurrent requests that change different ones all survive."""

    set: Mapping[str, bytes] = field(default_factory=lambda: EMPTY, repr=False)
    remove: frozenset[str] = frozenset()
    clear: bool = False
    """Drop every key first, also those that another request added meanwhile."""
    idle_timeout: float | None = None
    """A new idle timeout, seconds (``extend``)."""
    lifetime: float | None = None
    """A new absolute timeout, seconds from now (``extend``)."""
    if_version: int | None = None
    """Refuse unless the record still has this version (a conflict where the handler asked to be told)."""
    login: Mapping[str, str] | None = None
    """The user logged in again (``regenerate``): the metadata from now on; ``authenticated_at`` is now."""

    def __bool__(self) -> bool:
        timed = self.idle_timeout is not None or self.lifetime is not None
        return bool(self.set or self.remove or self.clear or timed or self.login is not None)


class Conflict:
    """A commit was refused because another one came first; returned, not raised, by ``SessionStore.commit``."""

    __slots__ = ()


CONFLICT = Conflict()


def changed(record: Record, changes: Changes, now: float) -> Record:
    """The record as ``changes`` leave it, for stores that work on whole records.

    Raises:
        SessionValueError: what they set makes it larger than a record may be.
    """
    data = {} if changes.clear else dict(record.data)
    for gone in changes.remove:
        data.pop(gone, None)
    data.update(changes.set)
    if changes.set:  # a record can always shrink
        check_size(data)
    if changes.login is not None:
        record = replace(record, metadata=MappingProxyType(dict(changes.login)), authenticated_at=now)
    return replace(
        record,
        data=MappingProxyType(data),
        version=record.version + 1,
        read_at=now,
        last_seen_at=max(now, record.last_seen_at),
        idle_timeout=record.idle_timeout if changes.idle_timeout is None else changes.idle_timeout,
        expires_at=record.expires_at if changes.lifetime is None else now + changes.lifetime,
    )


def evicted_by(draft: Draft, others: Sequence[Record]) -> list[Record]:
    """Which of its user's ``others``, all live, make room for a new session; for stores that work on whole records.

    Raises:
        SessionCapReached: none may.
    """
    cap = draft.kept_cap
    if cap is None or len(others) < cap.limit:
        return []
    if cap.when_full == "refuse":
        raise SessionCapReached(CAP_REACHED)
    by_login = sorted(others, key=lambda record: (record.authenticated_at or record.created_at, record.issued))
    return by_login[: len(others) + 1 - cap.limit]
