"""An ASGI server in miniature: it calls an application and keeps every message that comes back.

`exchange` is one HTTP request from its first to its last message, on the caller's own task (so that a test can look at what it
leaves behind). `Conversation` is one that the test leads message by message: streaming, disconnects, WebSockets.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

Message = dict[str, Any]
Scope = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = Iterable[tuple[str, str]]

PATIENCE = 5.0
"""Seconds after which a test that waits for a message has failed; none of them gets near it."""


def http_scope(
    method: str = "GET",
    path: str = "/",
    *,
    headers: Headers = (),
    scheme: str = "https",
    host: str = "app.example",
    query: str = "",
    client: tuple[str, int] | None = ("198.51.100.7", 50000),
) -> Scope:
    """The scope of a request, as servers make it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host.encode()), *encoded(headers)],
        "client": client,
        "server": (host, 443),
        "state": {},
    }


def websocket_scope(path: str = "/", *, can_answer: bool = False, scheme: str = "wss", **parts: Any) -> Scope:
    """The scope of a handshake; `can_answer`: the server knows the extension that refuses it with a whole response."""
    scope = http_scope("GET", path, scheme=scheme, **parts)
    del scope["method"]
    scope |= {"type": "websocket", "subprotocols": [], "extensions": {"websocket.http.response": {}} if can_answer else {}}
    return scope


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as they stand in a scope."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


@dataclass
class Response:
    """What the client got."""

    messages: list[Message] = field(default_factory=list)

    @property
    def start(self) -> Message:
        """The one message that starts it."""
        starts = [message for message in self.messages if message["type"].endswith(("response.start", "websocket.accept"))]
        assert len(starts) == 1, f"{len(starts)} starts of a response: {self.messages}"
        return starts[0]

    @property
    def status(self) -> int:
        return int(self.start["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages if message["type"].endswith("response.body"))

    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """The values of every line of a header."""
        return [value.decode("latin-1") for key, value in self.start.get("headers") or () if key.lower() == name.encode()]

    def get(self, name: str) -> str | None:
        """The value of a header that must not come twice."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def varies_by(self) -> set[str]:
        """The names in all lines of Vary, in lower case."""
        return {name.strip().lower() for line in self.all("vary") for name in line.split(",")}


async def exchange(app: App, scope: Scope, body: bytes = b"") -> Response:
    """Have `app` answer a request. Whatever it raises is raised here."""
    response = Response()
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"type": "http.request", "body": body, "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        response.messages.append(message)

    await app(scope, receive, send)
    return response


class Conversation:
    """A request or WebSocket in the test's hands: `async with Conversation(app, scope) as talk`.

    Leaving the block ends the application, if it has not ended by itself.
    """

    def __init__(self, app: App, scope: Scope) -> None:
        self.response = Response()
        """Everything that was heard so far."""
        self._app = app
        self._scope = scope
        self._from_client: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def say(self, kind: str, **content: Any) -> None:
        """Be the client."""
        self._from_client.put_nowait({"type": kind, **content})

    async def hear(self) -> Message:
        """The application's next message."""
        async with asyncio.timeout(PATIENCE):
            message = await self._from_app.get()
        self.response.messages.append(message)
        return message

    async def ended(self) -> Response:
        """Wait for the application's end; whatever it raised is raised here."""
        assert self._task is not None
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self._task)
        while not self._from_app.empty():
            self.response.messages.append(self._from_app.get_nowait())
        return self.response

    async def cancel(self) -> None:
        """What servers do with a request whose client is gone and whose time is up."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        await self._app(self._scope, self._from_client.get, self._send)

    async def _send(self, message: Message) -> None:
        self._from_app.put_nowait(message)


async def respond(send: Any, content: Any = None, *, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> None:
    """A whole response with JSON in it."""
    await send({"type": "http.response.start", "status": status, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})
