"""``SessionManager``: sessions outside requests, for jobs, tests and operators' tools.

It goes through the same store steps as the middleware, and knows the same three outcomes: a session, ``None`` (absent, expired,
revoked), or ``StoreUnavailable``. A session is named by its handle (which may be shown and logged) or by its credential.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from . import codec
from .counts import Counters, SessionHealth
from .exceptions import ConfigurationError, SessionConflict, SessionError
from .fingerprint import FINGERPRINT
from .hold import Hold
from .ids import StoreKey, new_session_id, parse_handle, random_bucket, store_key, user_bucket
from .lifetimes import finite
from .record import Changes, Conflict, Draft, Record
from .session_cap import SessionCap
from .settings import SecretKeys, SessionSettings
from .stores.base import Maintenance, SessionStore, StoreStats, UserSessions
from .user_ids import require_user_id


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it was when it was asked for. Times are seconds since the epoch."""

    handle: str
    user_id: str | None
    created_at: float
    last_seen_at: float
    expires_at: float
    """When it ends if no request comes any more."""
    revoked_at: float | None
    version: int
    metadata: Mapping[str, str]
    data: Mapping[str, Any] = field(repr=False)
    credential: str | None = field(default=None, repr=False)
    """What a client presents (cookie or bearer): a secret. Only ``create`` knows it."""

    @property
    def is_live(self) -> bool:
        """Whether it was live then."""
        return self.revoked_at is None


class SessionManager:
    """Create, find, change and end sessions.

    ``store`` and ``secret_key`` as for ``SessionMiddleware``; give both the same ``SessionStore`` object where they live in one
    process. Use it as ``async with SessionManager(...) as manager``, or call ``initialize`` and ``shutdown``.
    """

    def __init__(
        self,
        secret_key: SecretKeys,
        *,
        store: SessionStore | str | None = None,
        idle_timeout: float | None = None,
        absolute_timeout: float = 30 * 24 * 60 * 60,
        session_cap: SessionCap | None = None,
    ) -> None:
        settings = SessionSettings(
            secret_key, store=store, idle_timeout=idle_timeout, absolute_timeout=absolute_timeout, session_cap=session_cap
        )
        self._problems = settings.problems()
        self._engine = settings.engine()
        self._counters = Counters(self._engine)
        self._hold = Hold(self._engine.store)

    @classmethod
    def of_middleware(cls, counters: Counters) -> "SessionManager":
        """The manager of a middleware's own sessions."""
        manager = cls.__new__(cls)
        manager._problems, manager._engine, manager._counters = [], counters.engine, counters
        manager._hold = Hold(counters.engine.store)
        return manager

    async def initialize(self) -> None:
        """Check the configuration and connect.

        Raises:
            ConfigurationError: every mistake at once.
            StoreUnavailable: the store can't be reached now; the manager works as soon as it can.
        """
        if self._problems:
            raise ConfigurationError(self._problems)
        await self._hold.start()

    async def shutdown(self) -> None:
        """Finish what is under way and close the store, unless somebody else in this process still uses it. Idempotent."""
        await self._engine.drain()
        await self._hold.stop()

    async def __aenter__(self) -> "SessionManager":
        await self.initialize()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    # -- one session ----------------------------------------------------------------------------------------------------

    async def create(
        self, user_id: str | None = None, data: Mapping[str, Any] | None = None, *, lifetime: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> StoredSession:  # fmt: skip
        """A new session, in one round trip; its ``credential`` is what the client must be given.

        With ``lifetime`` (seconds) it ends then, idle or not; it never outlives ``absolute_timeout``.

        Raises:
            SessionError: ``user_id`` is no text, or an empty one (None makes a session of nobody); or ``metadata`` has the name
                ``fingerprint``, which is the middleware's own.
            SessionValueError: a value can't be stored.
            SessionCapReached: the user has as many sessions as ``session_cap`` allows, and it says "refuse".
            StoreUnavailable: it may or may not exist; nobody knows its credential.
        """
        if user_id is not None:
            require_user_id(user_id)
        if metadata is not None and FINGERPRINT in metadata:
            raise SessionError(f"metadata may not have the name {FINGERPRINT!r}: it is the middleware's own. Use another name.")
        encoded = {key: codec.encode(key, value) for key, value in (data or {}).items()}
        codec.check_size(encoded)
        lifetimes = self._engine.lifetimes if lifetime is None else self._engine.lifetimes.limited_to(lifetime)
        bucket = random_bucket() if user_id is None else user_bucket(user_id, self._engine.store.namespace)
        session_id = new_session_id(bucket)
        known = MappingProxyType(dict(metadata or {}))
        draft = Draft(user_id, lifetimes.idle, lifetimes.absolute, encoded, known, self._engine.cap)
        record = await self._engine.finish(self._engine.store.create(store_key(session_id), draft))
        return _stored(record, self._engine.signer.sign(session_id))

    async def get(self, session: str) -> StoredSession | None:
        """The session, without sliding its idle timeout; None where it is absent, expired or revoked."""
        key = self._key(session)
        record = await self._engine.store.load(key) if key is not None else None
        return _stored(record) if record is not None else None

    async def validate(self, credential: str) -> StoredSession | None:
        """What a request with this credential would get; slides the idle timeout as a request does. None: refuse it.

        There is no client here that could be compared with the session's fingerprint.
        A credential that we did not sign costs no round trip.
        """
        session_id = self._engine.signer.unsign(credential)
        if session_id is None:
            return None
        record = await self._engine.store.load(store_key(session_id), touch_after=self._engine.lifetimes.touch_after)
        return _stored(record) if record is not None else None

    async def update(
        self, session: str, values: Mapping[str, Any], *, remove: Iterable[str] = (), if_version: int | None = None
    ) -> StoredSession | None:
        """Set and remove single keys and leave all others; user and creation time can't be changed. None where it has ended.

        Raises:
            SessionConflict: it no longer has ``if_version``; nothing was changed.
            SessionValueError: a value can't be stored, or the session would grow past its limit; nothing was changed.
        """
        encoded = {key: codec.encode(key, value) for key, value in values.items()}
        codec.check_size(encoded)
        return await self._commit(session, Changes(set=encoded, remove=frozenset(remove), if_version=if_version))

    async def extend(self, session: str, lifetime: float) -> StoredSession | None:
        """Let the session live ``lifetime`` seconds from now, idle or not. Zero or less ends it now. None where it has ended.

        It never outlives this manager's ``absolute_timeout``, counted from its creation or login, unless it was allowed to before:
        then its absolute end stays where it is. ``expires_at`` of the answer says when it ends. Two round trips.

        Raises:
            SessionError: ``lifetime`` is longer than any session may live (400 days).
        """
        if finite(lifetime) <= 0:
            await self.destroy(session)
            return None
        key = self._key(session)
        record = await self._engine.store.load(key) if key is not None else None
        if record is None:
            return None
        ceiling = max(record.expires_at, record.created_at + self._engine.lifetimes.absolute)
        longest = ceiling - record.read_at
        if lifetime >= longest and record.expires_at == ceiling:  # not set again, or each call would add the time of its trip
            return await self._commit(session, Changes(idle_timeout=longest))
        lifetime = min(lifetime, longest)
        return await self._commit(session, Changes(idle_timeout=lifetime, lifetime=lifetime))

    async def destroy(self, session: str) -> bool:
        """End it and forget it. Idempotent; whether there was one."""
        key = self._key(session)
        return key is not None and await self._engine.finish(self._engine.store.destroy(key))

    async def revoke(self, session: str) -> bool:
        """End it, and keep it listed as revoked for a day. Idempotent; whether there was a live one."""
        key = self._key(session)
        return key is not None and await self._engine.finish(self._user_sessions().revoke(key))

    # -- many -----------------------------------------------------------------------------------------------------------

    async def list_for_user(self, user_id: str) -> Sequence[StoredSession]:
        """The user's sessions, newest first: live ones, and those revoked within the last day. Without their ``data``: see ``get``.

        At most 1,000 (``asgi_session.stores.base.MAX_LISTED``): where there are more, those whose absolute end is farthest away.

        Raises:
            SessionError: ``user_id`` is no text, or an empty one.
        """
        require_user_id(user_id)
        return [_stored(record) for record in await self._user_sessions().list_for_user(user_id)]

    async def revoke_user(self, user_id: str, *, keep: str | None = None) -> bool:
        """End all sessions of the user that exist now, but ``keep``. One step, however many there are.

        False, and nothing has changed, where ``keep`` is not a live session of this user.

        Raises:
            SessionError: ``user_id`` is no text, or an empty one.
        """
        require_user_id(user_id)
        kept = self._key(keep) if keep is not None else None
        if keep is not None and kept is None:
            return False
        return await self._engine.finish(self._user_sessions().revoke_user(user_id, keep=kept))

    async def revoke_all(self) -> None:
        """End every session that exists now."""
        await self._engine.finish(self._user_sessions().revoke_all())

    # -- the store ------------------------------------------------------------------------------------------------------

    async def stats(self) -> StoreStats:
        """How much the store holds. For operators: may walk the whole store."""
        return await self._maintenance().stats()

    async def health(self) -> SessionHealth:
        """How the store does, in one round trip, and what this process has counted. A store that is down is no error here.

        Of a middleware (``middleware.manager``, ``scope["asgi_session"].manager``), the counts are those of its requests.
        """
        health = await self._maintenance().health()
        return SessionHealth(health.state, health.latency, health.detail, self._counters.read())

    async def cleanup(self) -> int:
        """Remove what has expired and is still there; how much went."""
        return await self._maintenance().cleanup()

    def _key(self, session: str) -> StoreKey | None:
        key = parse_handle(session)
        if key is not None:
            return key
        session_id = self._engine.signer.unsign(session)
        return store_key(session_id) if session_id is not None else None

    async def _commit(self, session: str, changes: Changes) -> StoredSession | None:
        key = self._key(session)
        if key is None:
            return None
        record = await self._engine.finish(self._engine.store.commit(key, changes))
        if isinstance(record, Conflict):
            raise SessionConflict("The session has another version by now; nothing was changed. Get it again and decide.")
        return _stored(record) if record is not None else None

    def _user_sessions(self) -> UserSessions:
        store = self._engine.store
        if not isinstance(store, UserSessions):
            raise SessionError(f"{type(store).__name__} can't find the sessions of a user. Use another store.")
        return store

    def _maintenance(self) -> Maintenance:
        store = self._engine.store
        if not isinstance(store, Maintenance):
            raise SessionError(f"{type(store).__name__} can't be asked how it does. Use another store.")
        return store


def _stored(record: Record, credential: str | None = None) -> StoredSession:
    return StoredSession(
        handle=record.key.handle,
        user_id=record.user_id,
        created_at=record.created_at,
        last_seen_at=record.last_seen_at,
        expires_at=record.deadline,
        revoked_at=record.revoked_at,
        version=record.version,
        metadata={name: value for name, value in record.metadata.items() if name != FINGERPRINT},
        data={key: codec.decode(value) for key, value in record.data.items()},
        credential=credential,
    )
