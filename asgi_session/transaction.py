"""One request's work on one session: what was loaded, what the handler did, and the store's step that follows from it.

    record is None ── a new session ──► nothing, or create once it holds something
    record         ── an existing one ─► nothing, commit of the changed keys, regenerate, or destroy

A transaction belongs to one request. Its store steps are shielded: a client that goes away cancels the request, never a step
half-way (design rule 11). Two tasks of one request may call it at once; a lock keeps their steps apart.
"""
# Longer than 300 lines: every step reads and moves the same few private values; apart, nobody could see that they agree.

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from . import codec
from .baseline import NOTHING, Baseline
from .client_description import Client
from .clock import SYSTEM_CLOCK, reached
from .context import Verdict
from .engine import SessionEngine
from .exceptions import SessionClosed, SessionConflict, SessionError, SessionGone
from .fingerprint import FINGERPRINT, THE_SAME, Comparison
from .frozen import LENT
from .ids import StoreKey, new_session_id, random_bucket, store_key, user_bucket
from .lifetimes import Lifetimes
from .record import Changes, Conflict, Draft, Record
from .session import Session
from .snapshot import Snapshot
from .stores.base import UserSessions
from .user_ids import require_provider_session, require_user_id

if TYPE_CHECKING:
    from .context import RequestContext

T = TypeVar("T")

_ASKED = Verdict("full", False, "asked")
_GONE = Verdict("full", False, "absent")


class Outcome(Enum):
    """What a commit did."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    SAVED = "saved"
    REGENERATED = "regenerated"
    DESTROYED = "destroyed"
    REFUSED = "refused"
    """The session had ended meanwhile; nothing was written, and no cookie may be sent."""
    CONFLICT = "conflict"


class Transaction:
    """See the module.

    The session that the handler sees holds its transaction, never the other way round: a reference cycle
    would leave each request to the garbage collector.
    """

    # defaults of the class, and no __init__ (as ``RequestContext``): one is made for each request, and most do nothing
    _engine: SessionEngine
    _client: Client
    _baseline: Baseline = NOTHING
    credential: str | None = None
    """What the client presents for it."""
    record: Record | None = None
    """What the store holds; None while the session is new or after it ended."""
    announce: bool = False
    """The client must be given the credential."""
    withdraw: bool = False
    """The client's credential is dead by its own wish; tell it to forget it."""
    ended: bool = False
    """It ended by another's hand while this request worked with it, or the store can't tell: nothing but a login is saved."""
    outcome = Outcome.UNCHANGED
    """What the last commit did."""
    _lock: asyncio.Lock | None = None
    _next_id: str | None = None
    _not_loaded: StoreKey | None = None
    """The session that the client presented and that is absent, unread, or ended meanwhile: its id may just have been renewed by
    another request, so who logs out or in ends what the store knows of it."""
    _in_conflict: bool = False
    public: "RequestContext | None" = None
    """What the handler sees of the request that presented this session; its verdict changes when the store is asked again."""
    closed: str | None = None
    """Why the client can't be told about a new id any more, for the error of whoever tries; None while it can."""
    ends_at: float | None = None
    """When the token expires that stands in a session's place, seconds since the epoch."""

    def stand_beside(self, key: StoreKey, *, unread: bool) -> None:
        """The client presented the session of ``key``, and it is not there: a logout or login ends it under a new id too.

        Where the store could not tell (``unread``), nothing but a login is saved.
        """
        self._not_loaded, self.ended = key, unread

    # -- what the handler asks for ------------------------------------------------------------------------------------

    async def login(
        self, session: Session, user_id: str, *, keep: Iterable[str], lifetime: float | None, provider_session: str | None
    ) -> None:
        """See :meth:`Session.login`."""
        require_user_id(user_id)
        require_provider_session(provider_session)
        self._refuse_if_closed()
        known = self._engine.described(self._client, provider_session)
        await self._engine.finish(self._login(session, user_id, keep, lifetime, known))

    async def logout(self, session: Session) -> None:
        """See :meth:`Session.logout`."""
        await self._engine.finish(self._logout(session))

    def regenerate_id(self, session: Session) -> None:
        """See :meth:`Session.regenerate_id`."""
        self._refuse_if_closed()
        session.mark_accessed()
        if self.record is not None and self._next_id is None:
            self._next_id = new_session_id(self.record.key.bucket)

    async def revoke_others(self) -> None:
        """See :meth:`Session.revoke_others`."""
        async with self._exclusive():
            store, record = self._engine.store, self.record
            if record is None or record.user_id is None:
                raise SessionError("revoke_others() needs a user who is logged in. Call login() first.")
            if not isinstance(store, UserSessions):
                raise SessionError(f"{type(store).__name__} can't find the sessions of a user. Use another store.")
            if not await self._engine.finish(store.revoke_user(record.user_id, keep=record.key)):
                self._refuse()
                raise SessionGone("This session has ended, so it can't end others.")

    async def require_fresh(self) -> None:
        """See :meth:`Session.require_fresh`."""
        async with self._exclusive():  # else another task's new id would look like an end
            if self.record is None:
                raise SessionGone("There is no session to ask the store for.")
            key = self.record.key
            record = await self._engine.store.load(key)
            if self.public is not None:
                self.public.verdict = _GONE if record is None else _ASKED
            if record is None:
                self._engine.tell_ended(key)
                self._refuse()
                raise SessionGone("The session has ended.")

    async def wait_ended(self) -> None:
        """See :meth:`Session.wait_ended`."""
        if self.record is None:
            if self.ends_at is not None:
                await reached(self.ends_at, SYSTEM_CLOCK)
            return
        watch = self._engine.watches.add(self.record)
        try:
            await watch.ended.wait()
        finally:
            self._engine.watches.remove(watch)

    async def save(self, session: Session, *, if_unchanged: bool) -> None:
        """See :meth:`Session.save`."""
        self._in_conflict = False
        outcome = await self.commit(session, if_unchanged=if_unchanged)
        if outcome is Outcome.REFUSED:
            raise SessionGone("The session ended while this request worked with it; nothing was saved.")
        if outcome is Outcome.CONFLICT:
            raise SessionConflict("Another request saved this session first; nothing was saved. Load it again and decide.")

    def compare_clients(self) -> Comparison:
        """See :attr:`Session.client_changes`."""
        fingerprints, record = self._engine.fingerprints, self.record
        if fingerprints is None or record is None:
            return THE_SAME
        return fingerprints.compare(record.metadata.get(FINGERPRINT), self._client)

    # -- what the middleware asks for ---------------------------------------------------------------------------------

    def replace_data(self, session: Session, data: object) -> None:
        """The handler put something else into ``scope["session"]``: a mapping is the new data, anything else clears them."""
        values = {str(key): value for key, value in data.items()} if isinstance(data, Mapping) else {}
        if isinstance(data, Mapping) and not values and not dict.__len__(session):
            return  # written back as it was; who had nothing has ended nothing
        session.mark_modified()
        dict.clear(session)
        dict.update(session, values)
        session.cleared = session.cleared or not values

    def is_dirty(self, session: Session) -> bool:
        """Whether a commit would do anything, or another task of the request is just doing something. CPU only."""
        if not (session.modified or session.owns) and self._next_id is None and self._lock is None:
            return False  # asked twice by each request, and most did nothing
        return self._has_changes(session) or (self._lock is not None and self._lock.locked())

    async def commit(self, session: Session, *, if_unchanged: bool = False) -> Outcome:
        """Save what changed, in one step of the store, and say what happened.

        Raises:
            SessionValueError, SessionClosed, StoreUnavailable, StoreError: as :meth:`Session.save`.
        """
        if not self.is_dirty(session):
            return Outcome.UNCHANGED
        return await self._engine.finish(self._commit(session, if_unchanged))

    def _has_changes(self, session: Session) -> bool:
        return session.modified or self._next_id is not None or (session.owns and self._baseline.differs_inside(session))

    # -- steps ----------------------------------------------------------------------------------------------------------

    # Each goes on to its end when the request is cancelled, with what it has to note here afterwards.

    async def _login(
        self, session: Session, user_id: str, keep: Iterable[str], lifetime: float | None, known: Mapping[str, str]
    ) -> None:
        async with self._exclusive():
            old = self.record
            lifetimes = self._engine.lifetimes if lifetime is None else self._engine.lifetimes.limited_to(lifetime)
            session_id = new_session_id(user_bucket(user_id, self._engine.store.namespace))
            if old is not None and old.user_id == user_id:
                if await self._login_again(session, old, session_id, lifetimes, known):
                    return
                keep = list(dict.keys(session))
            values = {key: dict.__getitem__(session, key) for key in keep if dict.__contains__(session, key)}
            data = self._encoded(values)
            draft = Draft(user_id, lifetimes.idle, lifetimes.absolute, data, known, self._engine.cap)
            replaces = old.key if old is not None else self._not_loaded
            record = await self._engine.store.create(store_key(session_id), draft, replaces=replaces)
            self._reset(session, values)
            self._rebase(session, record, data)
            self._announce(session_id)

    async def _logout(self, session: Session) -> None:
        async with self._exclusive():
            await self._destroy()
            self._reset(session, {})

    async def _commit(self, session: Session, if_unchanged: bool) -> Outcome:
        async with self._exclusive():
            if not self._has_changes(session):
                return Outcome.UNCHANGED  # another task has saved it meanwhile
            # what a save was refused for must not slip in with the response; only the handler can say that it may, or end it all
            if self._in_conflict and not (session.cleared and self._is_emptied(session)):
                self.outcome = await self._renew(self.record, self._next_id)
            else:
                self.outcome = await self._save_all(session, if_unchanged)
                self._in_conflict = self.outcome is Outcome.CONFLICT
            return self.outcome

    async def _renew(self, record: Record | None, session_id: str | None) -> Outcome:
        """A conflict keeps back what the handler changed, but not the new id that it asked for."""
        if record is None or session_id is None:
            return Outcome.CONFLICT
        moved = await self._engine.store.regenerate(record.key, store_key(session_id), Changes(), user_id=record.user_id)
        if not isinstance(moved, Record):
            return self._refuse()
        self.record = replace(moved, version=record.version)  # whoever asks for "unchanged" still means what this request has read
        self._announce(session_id)
        return Outcome.CONFLICT

    async def _save_all(self, session: Session, if_unchanged: bool) -> Outcome:
        if self._is_emptied(session):
            await self._destroy()
            self._reset(session, {})
            return Outcome.DESTROYED
        if self.ended:
            return Outcome.REFUSED
        if self.record is None:
            return await self._create(session)
        data = self._encoded(dict(dict.items(session)))
        version = self.record.version if if_unchanged else None
        changes = self._baseline.changes_to(data, cleared=session.cleared, if_version=version)
        if self._next_id is not None:
            return await self._regenerate(session, self.record, self._next_id, changes, data)
        if not changes:
            self._rebase(session, self.record, data)  # assigned what it was already
            session.modified = session.cleared = False
            return Outcome.UNCHANGED
        saved = await self._saving(session, self._engine.store.commit(self.record.key, changes))
        if saved is None:
            return self._refuse()
        if isinstance(saved, Conflict):
            return Outcome.CONFLICT
        self._rebase(session, saved, data)
        return Outcome.SAVED

    async def _regenerate(
        self, session: Session, record: Record, session_id: str, changes: Changes, data: Mapping[str, bytes]
    ) -> Outcome:
        step = self._engine.store.regenerate(record.key, store_key(session_id), changes, user_id=record.user_id)
        moved = await self._saving(session, step)
        if moved is None:
            return self._refuse()
        if isinstance(moved, Conflict):
            return Outcome.CONFLICT
        self._rebase(session, moved, data)
        self._announce(session_id)
        return Outcome.REGENERATED

    async def _login_again(
        self, session: Session, record: Record, session_id: str, lifetimes: Lifetimes, known: Mapping[str, str]
    ) -> bool:
        """The user goes on with the session, with what other requests save in it meanwhile too; False where it has ended."""
        data = self._encoded(dict(dict.items(session)))
        changes = replace(
            self._baseline.changes_to(data, cleared=session.cleared, if_version=None),
            idle_timeout=lifetimes.idle,
            lifetime=lifetimes.absolute,
            login=known,
        )
        step = self._engine.store.regenerate(record.key, store_key(session_id), changes, user_id=record.user_id)
        moved = await self._saving(session, step)
        if not isinstance(moved, Record):
            return False
        session.mark_accessed()
        self._in_conflict = False
        self._rebase(session, moved, data)
        self._announce(session_id)
        return True

    async def _create(self, session: Session) -> Outcome:
        if not dict.__len__(session):
            return Outcome.UNCHANGED
        self._refuse_if_closed()
        data = self._encoded(dict(dict.items(session)))
        lifetimes = self._engine.lifetimes
        session_id = new_session_id(random_bucket())
        draft = Draft(None, lifetimes.idle, lifetimes.absolute, data, self._engine.described(self._client))
        record = await self._saving(session, self._engine.store.create(store_key(session_id), draft))
        self._rebase(session, record, data)
        self._announce(session_id)
        return Outcome.CREATED

    async def _saving(self, session: Session, step: Coroutine[Any, Any, T]) -> T:
        """Run the step that saves what the session holds now; what another task assigns during it stays to be saved."""
        cleared = session.cleared
        session.modified = session.cleared = False
        try:
            saved = await step
        except BaseException:
            session.modified, session.cleared = True, cleared or session.cleared
            raise
        if isinstance(saved, Conflict):
            session.modified, session.cleared = True, cleared or session.cleared
        return saved

    async def _destroy(self) -> None:
        key = self.record.key if self.record is not None else self._not_loaded
        if key is not None:
            await self._engine.store.destroy(key)
        if self.credential is not None:
            self.withdraw = True
        self.record, self.credential, self._not_loaded = None, None, None
        self._next_id, self.announce = None, False

    def _is_emptied(self, session: Session) -> bool:
        if dict.__len__(session):
            return False
        if self.record is None:
            return session.cleared and self._not_loaded is not None
        return session.cleared or (self.record.user_id is None and bool(self._baseline))

    def _encoded(self, values: Mapping[str, Any]) -> dict[str, bytes]:
        data = {key: value.raw if type(value) in LENT else codec.encode(key, value) for key, value in values.items()}
        codec.check_size(data)
        return data

    def _rebase(self, session: Session, record: Record, data: Mapping[str, bytes]) -> None:
        """From now on, changes are what differs from ``data``."""
        self.record = record
        self._baseline = Baseline.of(session, data)

    def _announce(self, session_id: str) -> None:
        """The session goes by another id from now on, and the client must learn it."""
        self.credential = self._engine.signer.sign(session_id)
        self.announce, self.withdraw = True, False
        self.ended, self._next_id, self._not_loaded = False, None, None

    def _reset(self, session: Session, values: Mapping[str, Any]) -> None:
        dict.clear(session)
        dict.update(session, values)
        session.accessed = session.owns = True
        session.modified = session.cleared = False
        self._in_conflict = False
        self._baseline = NOTHING

    def _refuse(self) -> Outcome:
        """The session ended meanwhile: nothing of this request may come back to life, and its cookie stays unsent."""
        if self.record is not None:
            self._not_loaded = self.record.key
        self.record, self.credential = None, None
        self.ended, self._next_id = True, None
        self.announce = self.withdraw = False
        return Outcome.REFUSED

    def _refuse_if_closed(self) -> None:
        if self.closed is not None:
            raise SessionClosed(self.closed)

    def _exclusive(self) -> asyncio.Lock:
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock


def new_session(engine: SessionEngine, client: Client, credential: str | None = None) -> tuple[Session, Transaction]:
    """A new session for one request, and the work on it."""
    session = Session()
    session._transaction = transaction = Transaction()
    transaction._engine, transaction._client, transaction.credential = engine, client, credential
    transaction._lock = transaction._next_id = None
    return session, transaction


def loaded_session(engine: SessionEngine, client: Client, credential: str, snapshot: Snapshot) -> tuple[Session, Transaction]:
    """An existing session for one request, and the work on it."""
    session = snapshot.session()
    session._transaction = transaction = Transaction()
    transaction._engine, transaction._client, transaction.credential = engine, client, credential
    transaction._lock = transaction._next_id = None
    transaction.record, transaction._baseline = snapshot.record, snapshot.baseline
    return session, transaction
