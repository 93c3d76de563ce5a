"""A WebSocket lives no longer than its session: when that ends, it is closed with 1008, whatever the application is doing."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from ..cache.watch import SessionWatch, Watch
from ..context import Request
from .base import POLICY_VIOLATION, Message, Receive, Send
from .commit import Commit

_DISCONNECT: dict[str, Any] = {"type": "websocket.disconnect", "code": POLICY_VIOLATION, "reason": "session ended"}


class SocketGuard:
    """``receive`` and ``send`` of one WebSocket, as the application sees them."""

    def __init__(self, request: Request, watches: SessionWatch, receive: Receive, send: Send, commit: Commit) -> None:
        self._request = request
        self._watches = watches
        self._receive = receive
        self._send = send
        self._commit = commit
        self._watch: Watch | None = None
        self._closer: asyncio.Task[None] | None = None
        self._pending: asyncio.Future[Message] | None = None
        self._over = False

    async def receive(self) -> Message:
        """The client's next message; a disconnect once the session has ended."""
        if self._watch is None:
            return await self._receive()
        if self._over:
            return _DISCONNECT
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        assert self._closer is not None
        either: tuple[asyncio.Future[Any], ...] = (self._pending, self._closer)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._pending.done():
            return _DISCONNECT
        pending, self._pending = self._pending, None
        return pending.result()

    def send(self, message: Message) -> Awaitable[None]:
        """Passes on what the application sends, until the session has ended."""
        if self._over:
            return _nothing()
        kind = message["type"]
        if kind == "websocket.accept":
            return self._accept(message)
        if kind == "websocket.close":
            self._over = True
        return self._commit(message)

    async def leave(self) -> None:
        """The application is done."""
        self._over = True
        if self._watch is not None:
            self._watches.remove(self._watch)
        both: tuple[asyncio.Future[Any] | None, ...] = (self._closer, self._pending)
        waiting = [task for task in both if task is not None and not task.done()]
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    async def _accept(self, message: Message) -> None:
        await self._commit(message)
        record = self._request.session.transaction.record
        if record is not None:
            self._watch = self._watches.add(record)
            self._closer = asyncio.ensure_future(self._close_after(self._watch))

    async def _close_after(self, watch: Watch) -> None:
        await watch.ended.wait()
        if not self._over:
            self._over = True
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "session ended"})


async def _nothing() -> None:
    """The socket is closed; what the application still sends goes nowhere."""
