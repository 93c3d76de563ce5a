"""Did the session change? Decided when the response starts, and once more at its end; at most one Set-Cookie either way.

* Before the first byte: what the handler changed is saved, so that the client never gets ahead of the store. If the store can't
  say whether it was saved, the client gets 503 in the application's place, and its cookie stays.
* After it (a streaming generator, a background task, a WebSocket): saved when the application ends. No cookie can be sent then.
* An application that raises saves nothing. A response that it made itself, also a 5xx, is a decision of its own and is saved.
* A session that ended meanwhile is not written, and no cookie goes out for it (rule 2).
"""

import logging
from collections.abc import Sequence

from ..context import Request
from ..exceptions import AsgiSessionError, StoreError, StoreUnavailable
from ..ratelimit.headers import quota_headers
from ..session import Session
from ..transaction import Outcome, SessionEngine
from .base import Header, Message, Send, unavailable

log = logging.getLogger("asgi_session.commit")

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_ENDS = frozenset({"http.response.body", "websocket.close"})
TOO_LATE = "The response has started, so it can't carry a cookie any more. Log in, or fill a new session, before it starts."


class Commit:
    """Stands between the application and the client of one request."""

    __slots__ = ("_engine", "_refused", "_request", "_send", "_started", "_streaming")

    def __init__(self, engine: SessionEngine, request: Request, send: Send) -> None:
        self._engine = engine
        self._request = request
        self._send = send
        self._started = False
        self._streaming = False
        self._refused = False

    async def __call__(self, message: Message) -> None:
        """``send``, as the application sees it."""
        kind = message["type"]
        if not self._started and kind in _STARTS:
            self._started = True
            await self._start(message)
        elif not self._refused:
            if kind in _ENDS:
                if message.get("more_body"):
                    self._streaming = True
                elif self._streaming or kind == "websocket.close":
                    await self.finish()
            await self._send(message)

    async def finish(self) -> None:
        """Save what was changed since the response started. The client has its answer already, so a failure is only logged."""
        if not self._started or self._refused:
            return
        session = self._current()
        transaction = session.transaction
        try:
            outcome = await transaction.commit(session)
        except AsgiSessionError as error:
            log.error("a change made after the response started is lost: %s", error)  # noqa: TRY400  # a trace says no more
        else:
            if outcome is Outcome.REFUSED:
                log.warning("a change made after the response started is lost: the session ended meanwhile")

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
        await unavailable("The session store", retry_after).send(self._request.scope, _handshake, self._send)

    async def _start(self, message: Message) -> None:
        request = self._request
        session = self._current()
        transaction = session.transaction
        try:
            await transaction.commit(session)
        except StoreError as error:
            await self._refuse(error)
            return
        headers = self._headers(session, message.get("headers") or ())
        if request.cookie is not None:
            transaction.close(TOO_LATE)
        await self._send({**message, "headers": headers} if headers is not None else message)

    def _current(self) -> Session:
        """The session, with what the handler put into its place, if it did."""
        mine = self._request.session
        theirs = self._request.scope.get("session")
        if theirs is not mine:
            mine.transaction.replace_data(mine, theirs)
            self._request.scope["session"] = mine
        return mine

    def _headers(self, session: Session, headers: Sequence[Header]) -> list[Header] | None:
        """The response's headers with ours; None where there are none of ours."""
        request = self._request
        added: list[Header] = []
        cookie = self._cookie(session)
        if cookie is not None:
            added.append(cookie)
        if request.public.rate_limits:
            added += quota_headers(request.public.rate_limits)
        personal = cookie is not None or session.user_id is not None or request.public.token is not None
        if personal and not any(name.lower() == b"cache-control" for name, _ in headers):
            added.append((b"cache-control", b"no-store"))
        vary = b"Cookie" if request.cookie is not None else b"Authorization"
        if session.accessed or request.cookie is None:
            return [*_with_vary(headers, vary), *added]
        return [*headers, *added] if added else None

    def _cookie(self, session: Session) -> Header | None:
        request, transaction = self._request, session.transaction
        if request.cookie is None:
            return None
        if transaction.withdraw:
            return request.cookie.delete()
        record = transaction.record
        if record is None or transaction.credential is None:
            return None
        policy = self._engine.cookies
        if transaction.announce or policy.is_due(record, self._engine.lifetimes.idle):
            session.accessed = True
            return request.cookie.set(transaction.credential, policy.max_age_for(record, self._engine.lifetimes.idle))
        return None


async def _handshake() -> Message:
    """What the application has received already: who waits for the client here waits for one that waits for an answer."""
    return {"type": "websocket.connect"}


def _with_vary(headers: Sequence[Header], wanted: bytes) -> list[Header]:
    """``headers`` with ``wanted`` in Vary, in the application's own line where it has one."""
    merged: list[Header] = []
    named = False
    for name, value in headers:
        if name.lower() == b"vary" and not named:
            named = True
            merged.append((name, _vary(value, wanted)))
        else:
            merged.append((name, value))
    if not named:
        merged.append((b"vary", wanted))
    return merged


def _vary(value: bytes, wanted: bytes) -> bytes:
    names = [part.strip().lower() for part in value.split(b",")]
    if b"*" in names or wanted.lower() in names:
        return value
    return value + b", " + wanted if value.strip() else wanted
