"""Did the session change? Decided when the response starts, and once more at its end; at most one Set-Cookie either way.

* Before the first byte: what the handler changed is saved, so that the client never gets ahead of the store. If the store can't
  say whether it was saved, the client gets 503 in the application's place, and its cookie stays.
* After it (a streaming generator, a background task, a WebSocket): saved when the application ends. No cookie can be sent then.
* An application that raises saves nothing. A response that it made itself, also a 5xx, is a decision of its own and is saved.
* A session that ended meanwhile is not written, and no cookie goes out for it (rule 2).
"""

import logging
from collections.abc import Awaitable, Sequence

from ..context import Request
from ..cookies import CookieFormat
from ..engine import SessionEngine
from ..exceptions import AsgiSessionError, StoreError, StoreUnavailable
from ..ratelimit.headers import quota_headers
from ..session import Session
from ..transaction import Outcome
from .base import Header, Message, Send, unavailable

log = logging.getLogger("asgi_session.commit")

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_VARY_COOKIE = (b"vary", b"Cookie")
_VARY_AUTHORIZATION = (b"vary", b"Authorization")
_NO_STORE = (b"cache-control", b"no-store")
_FOR_THIS_CLIENT = frozenset({"step_up", "revoked"})
TOO_LATE = "The response has started, so it can't carry a cookie any more. Log in, or fill a new session, before it starts."


class Commit:
    """Stands between the application and the client of one request."""

    # defaults of the class, and no __init__ (as ``RequestContext``): one is made for each request
    engine: SessionEngine
    request: Request
    pass_on: Send
    """The server's ``send``."""
    _started = False
    _streaming = False
    _refused = False

    def send(self, message: Message) -> Awaitable[None]:
        """``send``, as the application sees it. A coroutine of ours is made only where the session has to be saved."""
        kind = message["type"]
        if not self._started:
            if kind in _STARTS:
                self._started = True
                request = self.request
                if request.scope.get("session") is not request.session:
                    self._take_over()
                if request.transaction.is_dirty(request.session):
                    return self._save_and_start(message)
                return self._start(message)
            if kind == "websocket.close":  # refused by the application itself
                self._started = True
        elif self._refused:
            return _nothing()
        elif kind == "http.response.body":
            if message.get("more_body"):
                self._streaming = True
            elif self._streaming and self.is_due():
                return self._finish_and_send(message)
        elif kind == "websocket.close" and self.is_due():
            return self._finish_and_send(message)
        return self.pass_on(message)

    def is_due(self) -> bool:
        """Whether something was changed since the response started."""
        request = self.request
        if request.scope.get("session") is not request.session or request.transaction.is_dirty(request.session):
            return self._started and not self._refused
        return False

    async def finish(self) -> None:
        """Save what was changed since the response started. The client has its answer already, so a failure is only logged."""
        self._take_over()
        try:
            outcome = await self.request.transaction.commit(self.request.session)
        except AsgiSessionError as error:
            log.error("a change made after the response started is lost: %s", error)  # noqa: TRY400  # a trace says no more
        else:
            if outcome is Outcome.REFUSED:
                log.warning("a change made after the response started is lost: the session ended meanwhile")

    async def _finish_and_send(self, message: Message) -> None:
        await self.finish()
        await self.pass_on(message)

    async def _save_and_start(self, message: Message) -> None:
        if await self._save():
            await self._start(message)

    async def save_first(self) -> bool:
        """Save before it is decided how the response starts. False: the client was told that the store is down, in its place."""
        if self._started:
            return not self._refused
        self._take_over()
        if await self._save():
            return True
        self._started = True
        return False

    async def _save(self) -> bool:
        try:
            await self.request.transaction.commit(self.request.session)
        except StoreError as error:
            await self._refuse(error)
            return False
        return True

    async def answer_for(self, error: StoreError) -> bool:
        """Tell the client that the store is down, in place of an application that ended with ``error``; False: it is too late."""
        if self._started:
            return False
        self._started = True
        await self._refuse(error)
        return True

    async def _refuse(self, error: StoreError) -> None:
        log.warning("a session could not be saved, the client gets 503: %s", error)
        self._refused = True
        retry_after = error.retry_after if isinstance(error, StoreUnavailable) else 1.0
        await unavailable("The session store", retry_after).send(self.request.scope, _handshake, self.pass_on)

    def _start(self, message: Message) -> Awaitable[None]:
        headers = self._headers(message.get("headers") or ())
        if self.request.cookie is not None:
            self.request.transaction.closed = TOO_LATE
        return self.pass_on({**message, "headers": headers} if headers is not None else message)

    def _take_over(self) -> None:
        """Give the session what the handler put into its place, if it did."""
        mine = self.request.session
        theirs = self.request.scope.get("session")
        if theirs is not mine and not _is_another_middlewares(theirs):
            self.request.transaction.replace_data(mine, theirs)
            self.request.scope["session"] = mine

    def _headers(self, headers: Sequence[Header]) -> list[Header] | None:
        """The response's headers with ours; None where there are none of ours."""
        request = self.request
        record = request.transaction.record
        by_cookie = request.cookie is not None
        cookie = self._cookie(request.cookie) if request.cookie is not None else None
        personal = cookie is not None or (record is not None and record.user_id is not None) or request.public.token is not None
        if record is None and (request.transaction.ended or request.public.verdict.reason in _FOR_THIS_CLIENT):
            personal = True  # it may have been read before it ended; its owner gets another answer to the same cookie
        varies = personal or request.session.accessed or not by_cookie  # of a user, a handler may know by scope["user"] alone
        limits = request.public._told
        if not (varies or personal or limits):
            return None
        merged: list[Header] = []
        for header in headers:
            name = header[0]
            if name == b"vary" and varies:
                varies = False
                merged.append((name, _vary(header[1], b"Cookie" if by_cookie else b"Authorization")))
                continue
            if name == b"cache-control":
                personal = False
            merged.append(header)
        if varies:
            merged.append(_VARY_COOKIE if by_cookie else _VARY_AUTHORIZATION)
        if cookie is not None:
            merged.append(cookie)
        if personal:
            merged.append(_NO_STORE)
        if limits:
            merged += quota_headers(limits)
        return merged

    def _cookie(self, spelling: CookieFormat) -> Header | None:
        transaction = self.request.transaction
        record = transaction.record
        if record is None:
            return spelling.delete() if transaction.withdraw else None
        if transaction.credential is None:
            return None
        policy = self.engine.cookies
        if transaction.announce or (record.slid_from is not None and policy.is_due(record, self.engine.lifetimes.idle)):
            self.request.session.accessed = True
            return spelling.set(transaction.credential, policy.max_age_for(record, self.engine.lifetimes.idle))
        return None


def _is_another_middlewares(session: object) -> bool:
    """Whether a second middleware, with a cookie of its own, stands between this one and the handler."""
    return isinstance(session, Session) and session.is_managed


async def _handshake() -> Message:
    """What the application has received already: who waits for the client here waits for one that waits for an answer."""
    return {"type": "websocket.connect"}


def _vary(value: bytes, wanted: bytes) -> bytes:
    names = [part.strip().lower() for part in value.split(b",")]
    if b"*" in names or wanted.lower() in names:
        return value
    return value + b", " + wanted if value.strip() else wanted


async def _nothing() -> None:
    """The application goes on answering a request that was answered in its place."""
