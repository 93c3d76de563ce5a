"""``scope["session"]``: a real dictionary, so that everything that takes one takes it.

It knows what a handler did to it, and passes the verbs (login, logout …) to its transaction. It holds nothing of the store.
"""
# Longer than 300 lines: a dictionary has many ways in, and each of them has to notice.

from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any, Self

from .frozen import LENT, own, take

if TYPE_CHECKING:
    from .record import Record
    from .transaction import Transaction


class Session(dict[str, Any]):
    """The session of one request.

    Change it like any dictionary, also deep inside its values: what changed is found by comparing with what was loaded, and
    each top-level key is saved on its own, so that concurrent requests which change different keys all survive.
    """

    # defaults of the class rather than an __init__: a session is made for each request
    accessed: bool = False
    """A handler looked at it: the response depends on the cookie (``Vary: Cookie``)."""
    modified: bool = False
    """A key was assigned or removed (changes deep inside a value are found without it)."""
    cleared: bool = False
    """It was emptied as a whole."""
    owns: bool = False
    """It may hold lists or dictionaries of its own, which can change in place. Until then all of them are lent, and can't."""
    _transaction: "Transaction | None" = None

    # -- what is known about it -----------------------------------------------------------------------------------------

    @property
    def is_new(self) -> bool:
        """Whether the store has no record of it (yet)."""
        return self._record() is None

    @property
    def user_id(self) -> str | None:
        """Who logged in; None while anonymous."""
        record = self._record()
        return record.user_id if record is not None else None

    @property
    def handle(self) -> str | None:
        """Its public name, for lists of sessions and logs: not the id, and no way to it. None while new."""
        record = self._record()
        return record.key.handle if record is not None else None

    @property
    def credential(self) -> str | None:
        """What a client without cookies sends as ``Authorization: Bearer …``: a secret, for the response of a login only."""
        return self._transaction.credential if self._transaction is not None and self._record() is not None else None

    @property
    def created_at(self) -> float | None:
        """When it was created, seconds since the epoch. None while new."""
        record = self._record()
        return record.created_at if record is not None else None

    @property
    def last_seen_at(self) -> float | None:
        """When a request last slid its idle timeout (at most once per share of it). None while new."""
        record = self._record()
        return record.last_seen_at if record is not None else None

    @property
    def expires_at(self) -> float | None:
        """When it ends if no request comes any more, seconds since the epoch. None while new."""
        record = self._record()
        return record.deadline if record is not None else None

    @property
    def client_changes(self) -> tuple[str, ...]:
        """In which parts of the fingerprint this client differs from the one for whom the session was made: ``("user-agent",)``.

        Also where that is tolerated; for decisions of the handler's own, such as to ask for the password again before a payment.
        """
        self.accessed = True
        if self._transaction is None:
            return ()
        found = self._transaction.compare_clients()
        return (*found.changed, *found.missing)

    def _record(self) -> "Record | None":
        """What is told about the record depends on the cookie, as its values do."""
        self.accessed = True
        return self._transaction.record if self._transaction is not None else None

    # -- verbs ----------------------------------------------------------------------------------------------------------

    async def login(
        self, user_id: str, *, keep: Iterable[str] = (), lifetime: float | None = None, provider_session: str | None = None
    ) -> None:
        """Bind the session to ``user_id`` under a new id; the old id is dead when this returns.

        What an anonymous visitor (or another user) left in the session is dropped, except the keys named in ``keep``: it may
        have been planted there (login CSRF). A user who logs in again keeps everything. With ``lifetime`` (seconds) this
        session ends then, idle or not; it never outlives ``absolute_timeout``. ``provider_session`` (``sid``) joins its metadata.

        Raises:
            SessionError: ``user_id`` or ``provider_session`` is no text, or an empty one; nothing has changed.
            SessionCapReached: the user has as many sessions as ``session_cap`` allows, and it refuses more; nothing has changed.
            StoreUnavailable: nothing has changed, or (reply lost) the old session has ended; nobody is logged in.
            SessionClosed: the response has started.
        """
        await self.transaction.login(self, user_id, keep=keep, lifetime=lifetime, provider_session=provider_session)

    async def logout(self) -> None:
        """End the session on every worker, and withdraw its cookie. Idempotent; the handler may start a new one by filling it.

        Raises:
            StoreUnavailable: the session may still be alive; the cookie is left, so that the user can try again.
        """
        await self.transaction.logout(self)

    def regenerate_id(self) -> None:
        """Give the session a new id with the response, at a change of privilege; the old id is dead before its first byte."""
        self.transaction.regenerate_id(self)

    async def revoke_others(self) -> None:
        """End all other sessions of the user who is logged in.

        Raises:
            SessionError: nobody is logged in, or the store can't find a user's sessions.
            SessionGone: this session was ended itself meanwhile; the others are left alone.
            StoreUnavailable: they may still be alive.
        """
        await self.transaction.revoke_others()

    async def require_fresh(self) -> None:
        """Ask the store now whether the session is still live, whatever was cached: before a payment, a change of password.

        Only this request waits for the answer; its verdict is ``"asked"`` then. Where the session has ended, the cache and the
        sockets of this process learn it too.

        Raises:
            SessionGone: it has ended, or there was none.
            StoreUnavailable: nobody can tell.
        """
        await self.transaction.require_fresh()

    async def wait_ended(self) -> None:
        """Return when the session has ended (logout, revocation, expiry, a new id): for streams that must not outlive it.

        Where a token stands in its place: when that has expired. Returns at once where there is neither. WebSockets are closed
        without it. Costs one load of the session, which may have ended between its validation and the begin of the wait.
        """
        await self.transaction.wait_ended()

    async def save(self, *, if_unchanged: bool = False) -> None:
        """Save now rather than when the response starts. With ``if_unchanged``, only if no other request saved meanwhile.

        Raises:
            SessionGone: it ended meanwhile; nothing was saved.
            SessionConflict: another request saved first, and ``if_unchanged`` was asked for. The response won't save it either;
                calling ``save`` again does, over what the other one saved.
            SessionClosed: it is new, and the response has started.
            SessionValueError: a value can't be stored.
            StoreUnavailable: the store did not answer; it may or may not have been saved.
        """
        await self.transaction.save(self, if_unchanged=if_unchanged)

    @property
    def is_managed(self) -> bool:
        """Whether a middleware stands behind it; for the middleware."""
        return self._transaction is not None

    @property
    def transaction(self) -> "Transaction":
        """The work behind it; for the middleware."""
        if self._transaction is None:
            raise TypeError("This Session was made by hand. Use the one in scope['session'], or SessionManager.")
        return self._transaction

    # -- a dictionary that notices ----------------------------------------------------------------------------------------

    def mark_accessed(self) -> None:
        """Say that the response depends on the session, which goes unnoticed where an encoder in C reads ``scope["session"]``."""
        self.accessed = True

    def mark_modified(self) -> None:
        """Say that a key may have changed."""
        self.accessed = True
        self.modified = True
        self.owns = True

    def _take(self, key: str, lent: Any) -> Any:
        """A list or dictionary that was lent so far: from now on, this session's own."""
        self.owns = True
        return take(self, key, lent)

    def _take_all(self) -> None:
        self.accessed = True
        for key, value in super().items():
            if type(value) in LENT:
                self._take(key, value)

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        value = super().__getitem__(key)
        return self._take(key, value) if type(value) in LENT else value

    def get(self, key: str, default: Any = None) -> Any:  # noqa: D102
        self.accessed = True
        value = super().get(key, default)
        return self._take(key, value) if type(value) in LENT else value

    def __contains__(self, key: object) -> bool:
        self.accessed = True
        return super().__contains__(key)

    def __len__(self) -> int:
        self.accessed = True
        return super().__len__()

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self.accessed = True
        return super().__reversed__()

    def __eq__(self, other: object) -> bool:
        self.accessed = True
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self.accessed = True
        return super().__ne__(other)

    __hash__ = None  # a dictionary has none

    def __repr__(self) -> str:
        self.accessed = True
        return super().__repr__()

    def __or__(self, other: Any, /) -> Any:
        self._take_all()
        return super().__or__(other)

    def __ror__(self, other: Any, /) -> Any:
        self._take_all()
        return super().__ror__(other)

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # noqa: D102
        self.accessed = True
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # noqa: D102
        self._take_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # noqa: D102
        self._take_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        """A plain dictionary with the same values."""
        self._take_all()
        return dict(super().items())

    def __reduce_ex__(self, protocol: object) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """``copy``, ``deepcopy`` and ``pickle`` make plain dictionaries: a session of a request there is only one."""
        del protocol
        return dict, (self.copy(),)

    def __setitem__(self, key: str, value: Any) -> None:
        self.mark_modified()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.mark_modified()
        super().__delitem__(key)

    def clear(self) -> None:
        """Drop every key, also those that another request adds meanwhile; a session left empty has ended."""
        self.mark_modified()
        self.cleared = True
        super().clear()

    def pop(self, key: str, *args: Any) -> Any:  # noqa: D102
        if super().__contains__(key):
            self.mark_modified()
        elif self._transaction is not None:  # one made by hand stays untouched, as Starlette's tests want it
            self.accessed = True
        value = super().pop(key, *args)
        return own(value) if type(value) in LENT else value

    def popitem(self) -> tuple[str, Any]:  # noqa: D102
        key, value = super().popitem()
        self.mark_modified()
        return key, own(value) if type(value) in LENT else value

    def setdefault(self, key: str, default: Any = None) -> Any:  # noqa: D102
        self.accessed = True
        if not super().__contains__(key):
            self.mark_modified()
        value = super().setdefault(key, default)
        return self._take(key, value) if type(value) in LENT else value

    def update(self, *args: Any, **kwargs: Any) -> None:  # noqa: D102
        self.mark_modified()
        super().update(*args, **kwargs)

    def __ior__(self, other: Any, /) -> Self:  # type: ignore[override]
        self.mark_modified()
        return super().__ior__(other)
