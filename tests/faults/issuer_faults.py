"""An issuer of tokens on a real socket, and how each of the table's faults is brought about on it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.services.fault_proxy import HEALTHY, FaultProxy, Faults, unanswered_port
from tests.tokens.parts import SigningKey

AUDIENCE = "api"


class ShiftedClock:
    """The machine's time, and whatever the test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic() + self.ahead


class Issuer:
    """Metadata and keys over HTTP/1.1, behind a proxy; misbehaves as `begin` says."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key
        self.clock = ShiftedClock()
        self.proxy: FaultProxy
        self._fault = ""
        self._undo = AsyncExitStack()

    @property
    def url(self) -> str:
        """The issuer's name, as its tokens carry it."""
        return f"http://127.0.0.1:{self.proxy.port}"

    def token(self, key: SigningKey | None = None, **claims: Any) -> str:
        """A good token that expires in five minutes."""
        now = self.clock.now()
        body = {"iss": self.url, "sub": "ann", "aud": AUDIENCE, "iat": now, "exp": now + 300, **claims}
        return (key or self.key).sign(body)

    async def begin(self, fault: str) -> None:
        """Bring about the fault of that name in the table."""
        self._undo.callback(setattr, self, "_fault", "")
        self._fault = fault
        match fault:
            case "refused" | "unreachable":
                self._undo.push_async_callback(self.proxy.accept)
                await self.proxy.refuse()
                if fault == "unreachable":
                    self._undo.enter_context(unanswered_port(self.proxy.port))
            case "slow" | "reset":
                self._undo.callback(setattr, self.proxy, "faults", HEALTHY)
                self.proxy.faults = Faults(delay=10) if fault == "slow" else Faults(reset_after=20)

    async def end(self) -> None:
        """Undo what was begun."""
        await self._undo.aclose()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                request = await reader.readuntil(b"\r\n\r\n")
                await self._answer(request.split(b" ")[1].decode(), writer)
        finally:
            writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        match self._fault:
            case "hanging":
                await asyncio.Event().wait()
            case "server-error":
                _reply(writer, b"{}", status=b"500 Internal Server Error")
            case "html":
                _reply(writer, b"<!doctype html><title>Maintenance</title>")
            case "broken-json":
                _reply(writer, self._document(path)[:-20])
            case "no-usable-keys":
                _reply(writer, self._document(path, keys=[{"kty": "oct", "k": "c2VjcmV0"}, {"kid": "x"}, 7]))
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"1\r\n \r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            case _:
                _reply(writer, self._document(path))

    def _document(self, path: str, keys: list[object] | None = None) -> bytes:
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/certs"}).encode()
        return json.dumps({"keys": [self.key.public()] if keys is None else keys}).encode()


def _reply(writer: asyncio.StreamWriter, body: bytes, *, status: bytes = b"200 OK") -> None:
    writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """An issuer with one RSA key, in good health."""
    issuer = Issuer(SigningKey())
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(issuer.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[1]) as issuer.proxy:
        yield issuer
        await issuer.end()
    server.close()
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
