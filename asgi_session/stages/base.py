"""What a stage is, and how a refusal reaches the client."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol

from ..context import Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1


class Stage(Protocol):
    """One question about a request."""

    def __call__(self, request: Request) -> "Answer":
        """None: go on. Whatever the stage found out is in ``request``."""
        ...


@dataclass(frozen=True, slots=True)
class Rejection:
    """An answer that the application never sees the request of: problem details (RFC 9457) over HTTP, a refused handshake else."""

    status: int
    title: str
    code: str
    """Stable, for clients and tests."""
    detail: str = ""
    """For people: what to do."""
    headers: Sequence[Header] = ()
    body: bytes | None = None
    """Ready-made problem details, where more than the above belongs into them."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    async def send(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer. A WebSocket is refused before it is accepted: with this very answer where the server can send one, else 403."""
        if scope["type"] == "websocket":
            await receive()  # "websocket.connect": the handshake is answered, not ignored
            if "websocket.http.response" not in (scope.get("extensions") or {}):
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": self.title})
                return
            prefix = "websocket.http.response"
        else:
            prefix = "http.response"
        body = self.body if self.body is not None else self._problem()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        await send({"type": f"{prefix}.start", "status": self.status, "headers": headers})
        await send({"type": f"{prefix}.body", "body": b"" if scope.get("method") == "HEAD" else body})

    def _problem(self) -> bytes:
        problem = {"type": "about:blank", "title": self.title, "status": self.status, "code": self.code}
        if self.detail:
            problem["detail"] = self.detail
        return json.dumps({**problem, **self.extra}).encode()


def unavailable(what: str, retry_after: float) -> Rejection:
    """503: something that this request depends on does not answer. Says nothing about the credential, so touches no cookie."""
    return Rejection(
        503,
        "Service Unavailable",
        "unavailable",
        f"{what} does not answer just now. Try again later.",
        [(b"retry-after", b"%d" % max(1, ceil(retry_after)))],
    )


def bearer_refused(status: int, title: str, code: str, challenge: str) -> Rejection:
    """400 or 401 with the challenge that says why (RFC 6750 §3.1)."""
    headers = [(b"www-authenticate", challenge.encode("ascii")), (b"vary", b"Authorization")]
    return Rejection(status, title, code, headers=headers)


Answer = Rejection | Awaitable[Rejection | None] | None
"""A stage answers at once, or hands back what has to be awaited for its answer: most requests need no I/O, and none of them pays
for a coroutine that it doesn't need."""
