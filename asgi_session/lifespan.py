"""Start and stop: with the application's lifespan, or with the first request where none is sent.

Start is idempotent and one task does it for all; it is bound to the event loop that it ran on. A mistake in the configuration, or
a store that refuses us, keeps the application from starting (``lifespan.startup.failed``); a store or issuer that is down doesn't
(security row AV-09): requests are told so until it is back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from threading import get_ident
from typing import Any, Protocol

from .exceptions import AsgiSessionError, ConfigurationError, Problem, StoreUnavailable
from .hold import Hold
from .stages.base import Message, Receive, Send

log = logging.getLogger("asgi_session")

STOP_TIMEOUT = 5.0
"""Seconds that each part has for its stop (security row AV-10)."""


class Part(Protocol):
    """Something with a life of its own."""

    async def start(self) -> None:
        """Open, on the running loop. Idempotent."""
        ...

    async def stop(self) -> None:
        """Close. Idempotent."""
        ...


class Lifespan:
    """The life of a middleware's parts: started in their order, stopped in the opposite one."""

    def __init__(self, parts: Sequence[Part], problems: Sequence[Problem]) -> None:
        self._parts = parts
        self._problems = problems
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        """The one that runs the loop; it can run no other at a time."""
        self._starting: asyncio.Task[None] | None = None

    def is_started(self) -> bool:
        """Whether the parts are open, on the running loop."""
        # asked by each request, so without get_running_loop(): up to Python 3.11 it asks the kernel for the process's id
        return self._loop is not None and self._thread == get_ident() and self._loop.is_running()

    async def start(self) -> None:
        """Open all parts; those who come meanwhile wait for the same start. After a failure the next call tries again.

        Raises:
            ConfigurationError: every mistake at once.
            StoreError: the store refuses us (a wrong password).
        """
        if self._problems:
            raise ConfigurationError(self._problems)
        if self.is_started():
            return
        starting = self._starting
        if starting is None or starting.done() or starting.get_loop() is not asyncio.get_running_loop():
            self._starting = starting = asyncio.ensure_future(self._start())
        await asyncio.shield(starting)

    async def _start(self) -> None:
        for part in self._parts:
            try:
                await part.start()
            except StoreUnavailable as error:
                log.warning("started without %s: %s", _name(part), error)
        self._thread = get_ident()
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Close all parts, whatever one of them does."""
        self._loop = self._starting = None
        for part in reversed(self._parts):
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await part.stop()
            except Exception:  # the others have to stop too
                log.exception("%s did not stop in order", _name(part))

    async def run(
        self, app: Callable[[Any, Any, Any], Awaitable[None]], scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """The lifespan protocol around the application's own."""
        first = await receive()
        try:
            await self.start()
        except AsgiSessionError as error:
            await self.stop()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        try:
            await _Conversation(receive, send, first, self.stop).run(app, scope)
        finally:
            await self.stop()


def _name(part: Part) -> str:
    return type(part.held if isinstance(part, Hold) else part).__name__


class _Conversation:
    """What the application sees of the lifespan; speaks for it where it does not take part.

    ``stop`` runs after the application has ended and before the server hears so: a server that has heard it cancels what is left.
    """

    def __init__(self, receive: Receive, send: Send, first: Message, stop: Callable[[], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._first: Message | None = first
        self._stop = stop
        self._answered = False

    async def run(self, app: Callable[[Any, Any, Any], Awaitable[None]], scope: MutableMapping[str, Any]) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self._answered:
                raise
            log.debug("the application takes no part in the lifespan: %r", error)
        if not self._answered:  # it raised or returned at once: "not supported" in the protocol's words, but we need the end
            await self._send({"type": "lifespan.startup.complete"})
            await self._receive()
            await self.send({"type": "lifespan.shutdown.complete"})

    async def receive(self) -> Message:
        first, self._first = self._first, None
        return first if first is not None else await self._receive()

    async def send(self, message: Message) -> None:
        self._answered = True
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            await self._stop()
        await self._send(message)
