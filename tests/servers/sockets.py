"""WebSockets of a visitor, over real connections."""

from contextlib import AbstractContextManager

import httpx
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from tests.servers.programs import AsgiServer


def cookie_header(visitor: httpx.Client) -> dict[str, str]:
    """What the visitor's browser would send along."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())}


def open_socket(
    server: AsgiServer, headers: dict[str, str] | None = None, path: str = "/socket"
) -> AbstractContextManager[ClientConnection]:
    """A connection; raises InvalidStatus where the handshake is refused."""
    return connect(f"{server.socket_url}{path}", additional_headers=headers, proxy=None, open_timeout=10)


def refusal_of(server: AsgiServer, headers: dict[str, str], path: str = "/socket") -> Response:
    """How the server answers a handshake that is not accepted."""
    try:
        with open_socket(server, headers, path):
            raise AssertionError("The handshake was accepted.")
    except InvalidStatus as refused:
        return refused.response
