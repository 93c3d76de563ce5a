"""A WebSocket lives no longer than its session, or its token: then it is closed with 1008, whatever the application is doing.

The application learns it as it learns of a client that left: ``receive`` tells it of a disconnect, ``send`` raises an ``OSError``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ..cache.watch import SessionWatch, Watch
from ..clock import SYSTEM_CLOCK, reached
from ..context import Request
from .base import POLICY_VIOLATION, Message, Receive, Send
from .commit import Commit

log = logging.getLogger("asgi_session.watch")

CLOSING = 1.0
"""Seconds that a close which is under way gets after the application has ended."""

_SESSION_ENDED = {"code": POLICY_VIOLATION, "reason": "session ended"}
_TOKEN_EXPIRED = {"code": POLICY_VIOLATION, "reason": "token expired"}


class SocketEnded(ConnectionAbortedError):
    """Raised by ``send`` on a WebSocket that was closed because its session or token has ended; ends loops that only send."""


class SocketGuard:
    """``receive`` and ``send`` of one WebSocket, as the application sees them."""

    def __init__(self, request: Request, watches: SessionWatch, receive: Receive, send: Send, commit: Commit) -> None:
        self._request = request
        self._watches = watches
        self._receive = receive
        self._send = send
        self._commit = commit
        self._came_with_session = request.transaction.record is not None
        self._watch: Watch | None = None
        self._why = _SESSION_ENDED
        self._closer: asyncio.Task[None] | None = None
        self._pending: asyncio.Future[Message] | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the session or token has ended and we close."""
        self._closed = False
        """The application has closed, or is done."""

    async def receive(self) -> Message:
        """The client's next message; a disconnect once the session or token has ended."""
        if self._ended.done():
            return {"type": "websocket.disconnect", **self._why}
        if self._pending is None:
            if self._closer is None:
                return await self._receive()
            self._pending = asyncio.ensure_future(self._receive())
        await asyncio.wait((self._pending, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            return {"type": "websocket.disconnect", **self._why}
        pending, self._pending = self._pending, None
        return pending.result()

    def send(self, message: Message) -> Awaitable[None]:
        """Passes on what the application sends, until the session or token has ended."""
        kind = message["type"]
        if self._ended.done():
            return _nothing() if kind == "websocket.close" else _refused()
        if kind == "websocket.accept":
            return self._accept(message)
        if kind == "websocket.close":
            self._closed = True
        return self._commit.send(message)

    async def leave(self) -> None:
        """The application is done."""
        self._closed = True
        if self._watch is not None:
            self._watches.remove(self._watch)
        if self._ended.done() and self._closer is not None:
            await asyncio.wait([self._closer], timeout=CLOSING)
        both: tuple[asyncio.Future[Any] | None, ...] = (self._closer, self._pending)
        waiting = [task for task in both if task is not None and not task.done()]
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    async def _accept(self, message: Message) -> None:
        if not await self._commit.save_first():
            return
        transaction, token = self._request.transaction, self._request.public.token
        record = transaction.record
        if self._came_with_session and transaction.ended:
            self._ended.set_result(None)
            await self._commit.send({"type": "websocket.close", **self._why})
            return
        await self._commit.send(message)
        if record is not None:
            self._watch = self._watches.add(record)
            self._closer = asyncio.ensure_future(self._close_after(self._watch.ended.wait))
        elif token is not None:
            self._why = _TOKEN_EXPIRED
            self._closer = asyncio.ensure_future(self._close_after(partial(reached, token.expires_at, SYSTEM_CLOCK)))

    async def _close_after(self, end: Callable[[], Awaitable[object]]) -> None:
        await end()
        if self._closed:
            return
        self._ended.set_result(None)
        try:
            await self._send({"type": "websocket.close", **self._why})
        except Exception as error:  # noqa: BLE001  # servers say in many ways that the client has left meanwhile
            log.debug("a socket was gone before it could be closed: %r", error)


async def _nothing() -> None:
    """It is closed already."""


async def _refused() -> None:
    raise SocketEnded("The session or token of this WebSocket has ended; the socket is closed.")
