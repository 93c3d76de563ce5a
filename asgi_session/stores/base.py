"""The contract of a session store. ``asgi_session.testing.StoreContract`` proves that a store keeps it.

Three outcomes are never merged (design rule 1): a session that is there is returned; one that is absent, expired or revoked is
``None``; a store that can't tell raises :class:`~asgi_session.exceptions.StoreUnavailable`. Only ``None`` may touch a cookie.

Each method is one atomic step: it happens wholly or not at all, and no other step happens in its middle. A commit or regeneration
of a session that has ended meanwhile changes nothing and returns ``None``: no step but ``create`` ever makes a record (rule 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from ..exceptions import Problem
from ..ids import StoreKey
from ..record import Changes, Conflict, Draft, Record

MAX_LISTED = 1000
"""Sessions in a list of a user's sessions, at most: whoever logs in again and again must not make it cost others their time."""


@runtime_checkable
class SessionStore(Protocol):
    """Keeps records."""

    namespace: str
    """Prefix of all keys; two applications that share a server use two namespaces. Part of a user's bucket (``ids.py``)."""

    def problems(self) -> list[Problem]:
        """What is wrong with the store's arguments; asked once, at start."""
        ...

    async def start(self) -> None:
        """Open what the store needs, on the running event loop. Idempotent.

        Raises:
            StoreUnavailable: it can't be reached now; the store stays usable and connects when it can.
        """
        ...

    async def stop(self) -> None:
        """Finish what is under way and close; leaves no task and no connection behind. Idempotent."""
        ...

    async def create(self, key: StoreKey, draft: Draft, *, replaces: StoreKey | None = None) -> Record:
        """Make the record of a new session, and in the same step end the session that it ``replaces``.

        ``replaces`` may be absent already. Where the two keys can't be reached in one step (a Redis Cluster, two nodes), the old
        session ends first: a crash in between loses it, but never leaves both alive.

        Where ``draft.cap`` would be exceeded, those of the user's other live sessions whose logins lie furthest back end in the
        same step, as many as are too many.

        Raises:
            SessionCapReached: ``draft.cap`` would be exceeded, and it says "refuse"; nothing has changed.
        """
        ...

    async def load(self, key: StoreKey, *, touch_after: float | None = None) -> Record | None:
        """The record, or None where it is absent, expired, revoked, or of an unknown schema.

        With ``touch_after``, and if at least that many seconds have passed since the idle timeout was slid last, slide it, in the
        same step; ``Record.slid_from`` tells. A load may be cancelled, with its request; all other steps are shielded.
        """
        ...

    async def commit(self, key: StoreKey, changes: Changes) -> Record | Conflict | None:
        """Apply ``changes`` to the keys they name, leave all others, slide the idle timeout, and return the record as it is now.

        None where the session has ended; ``CONFLICT`` where ``changes.if_version`` no longer holds. Neither changes anything.

        Raises:
            SessionValueError: with what ``changes`` set, the record would hold more than ``codec.MAX_RECORD_BYTES``, whoever
                else's the rest is; nothing was changed.
        """
        ...

    async def regenerate(self, old: StoreKey, new: StoreKey, changes: Changes, *, user_id: str | None) -> Record | Conflict | None:
        """Move the record from ``old`` to ``new`` (same bucket) and apply ``changes``; ``old`` is dead when this returns.

        Creation time, user (``user_id``, as the caller loaded it) and absolute end go along. None where the old session has
        ended; then ``new`` doesn't exist either. ``CONFLICT`` as for ``commit``; then the session keeps its id.

        With ``changes.login`` it is a login that takes over what the old session holds, and like one that replaces a session
        (``create``) it finds a session whose id was regenerated within the last minute; a ``destroy`` that it overtakes does not
        reach the session under ``new``.

        Raises:
            SessionValueError: as for ``commit``; the session keeps its id.
            StoreError: ``new`` is taken; both sessions stay as they were.
        """
        ...

    async def destroy(self, key: StoreKey) -> bool:
        """End the session and forget it. Idempotent; whether there was one.

        Where its id was regenerated within the last minute, the session under its new id ends: a logout that another request
        overtook must not be lost. The same holds for ``create(replaces=…)`` and for ``revoke``.
        """
        ...


@runtime_checkable
class UserSessions(Protocol):
    """The power to find and end the sessions of a user, or of everybody."""

    async def list_for_user(self, user_id: str) -> Sequence[Record]:
        """The user's live sessions and those revoked lately (``revoked_at``), newest first, without their ``data``.

        At most ``MAX_LISTED``; where there are more, those whose absolute end is farthest away: of sessions made alike, the newest.
        """
        ...

    async def revoke(self, key: StoreKey) -> bool:
        """End the session by an operator's or provider's hand: it is dead at once, and listed as revoked for a day."""
        ...

    async def revoke_user(self, user_id: str, *, keep: StoreKey | None = None) -> bool:
        """End all sessions of a user that were issued until now, but ``keep``. O(1): an epoch, no search.

        False, and nothing has changed, where ``keep`` is not a live session of this user: a session that was revoked a moment
        ago must not revoke the others.
        """
        ...

    async def revoke_all(self) -> None:
        """End every session that was issued until now."""
        ...


@runtime_checkable
class Touches(Protocol):
    """The power to slide many sessions at once, for reads that were served from the cache."""

    async def touch(self, keys: Sequence[StoreKey]) -> None:
        """Slide the idle timeouts of those that are live."""
        ...


@runtime_checkable
class Maintenance(Protocol):
    """What operators ask of a store."""

    async def health(self) -> "StoreHealth":
        """How the store does; never raises."""
        ...

    async def stats(self) -> "StoreStats":
        """How much it holds."""
        ...

    async def cleanup(self) -> int:
        """Remove what has expired and is still there; how many records went."""
        ...


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """One look at a store."""

    state: Literal["healthy", "degraded", "down"]
    latency: float | None
    """Seconds that a round trip took; None where there was none."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much a store holds."""

    sessions: int
    """Live sessions; an estimate where counting would cost a scan."""
    bytes: int | None = None
    """Memory or disk, where the store knows it."""
