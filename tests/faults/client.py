"""One request to an ASGI application, without a server in between."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(slots=True)
class Answer:
    """What came back, and how long it took."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    seconds: float = 0.0

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(app: App, path: str, *, cookie: str | None = None, bearer: str | None = None, client: str = "192.0.2.1") -> Answer:
    """GET `path`, as a browser at the address `client` would."""
    headers = [(b"host", b"localhost"), (b"sec-fetch-site", b"same-origin")]
    if cookie is not None:
        headers.append((b"cookie", b"session=" + cookie.encode()))
    if bearer is not None:
        headers.append((b"authorization", b"Bearer " + bearer.encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": (client, 50000),
        "server": ("localhost", 80),
    }
    answer = Answer()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")

    clock = asyncio.get_running_loop().time
    started = clock()
    await app(scope, receive, send)
    answer.seconds = clock() - started
    return answer
