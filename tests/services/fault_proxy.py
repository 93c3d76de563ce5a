"""A TCP proxy that harms what passes through it, switchable while connections are open."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from tests.services.ports import free_port

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to the traffic; several at once are possible."""

    delay: float = 0.0
    """Seconds that everything is under way, in each direction."""
    hold_requests: bool = False
    """Nothing reaches the server until it is switched off; then what was held arrives, as after a network cut."""
    hold_replies: bool = False
    """The same for the way back: the server does what it is asked, and nobody hears of it."""
    piece_size: int | None = None
    """Everything arrives in pieces of so many bytes."""
    reset_after: int | None = None
    """Each connection is reset when it has brought so many bytes of reply since this was switched on."""


HEALTHY = Faults()
BLACK_HOLE = Faults(hold_requests=True, hold_replies=True)


class FaultProxy:
    """Listens on `port` of 127.0.0.1 and forwards to `upstream_port`, on the event loop that entered it.

    Assign `faults` at any time; it holds for open connections too, but for bytes that are already being delayed.
    """

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = free_port()
        self.connections = 0
        """Connections accepted so far."""
        self.request_bytes = 0
        self.reply_bytes = 0
        self._faults = HEALTHY
        self._faults_changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], _Link] = {}

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._faults_changed.set()
        self._faults_changed = asyncio.Event()

    @property
    def open_connections(self) -> int:
        return len(self._links)

    @property
    def served_connections(self) -> int:
        """Open connections of which no client was told that the server has ended them."""
        return sum(not link.server_has_ended for link in self._links.values())

    async def accept(self) -> None:
        """Accept connections, as after the start."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Refuse new connections; open ones go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset_connections(self) -> None:
        """Reset (RST) all open connections, on both sides."""
        for link in list(self._links.values()):
            link.reset()

    async def wait_faults_changed(self) -> None:
        """Return when `faults` is assigned next."""
        await self._faults_changed.wait()

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            client_writer.transport.abort()
            return
        link = self._links[task] = _Link(self, client_writer, server_writer)
        try:
            await link.run(client_reader, server_reader)
        except asyncio.CancelledError:
            pass  # by __aexit__, and the streams of Python 3.11 would log it as an error
        finally:
            del self._links[task]
            link.close()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self.server_has_ended = False
        """And the client was told."""

    async def run(self, client: asyncio.StreamReader, server: asyncio.StreamReader) -> None:
        """Forward both ways until both sides have ended or one has broken."""
        try:
            async with asyncio.TaskGroup() as ways:
                for reader, writer, replies in ((client, self._server, False), (server, self._client, True)):
                    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
                    ways.create_task(self._receive(reader, under_way, replies=replies))
                    ways.create_task(self._deliver(under_way, writer, replies=replies))
        except* OSError:  # ConnectionError, or what the end of one side says when the other one is gone
            self.reset()

    def reset(self) -> None:
        """End both sides with RST."""
        for writer in (self._client, self._server):
            raw: socket.socket = writer.get_extra_info("socket")
            if raw.fileno() != -1:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    def close(self) -> None:
        for writer in (self._client, self._server):
            writer.transport.abort()

    async def _receive(
        self, reader: asyncio.StreamReader, under_way: "asyncio.Queue[tuple[float, bytes]]", *, replies: bool
    ) -> None:
        clock = asyncio.get_running_loop().time
        data = b"begin"
        while data:
            data = await reader.read(65536)
            if replies:
                self._proxy.reply_bytes += len(data)
            else:
                self._proxy.request_bytes += len(data)
            under_way.put_nowait((clock() + self._proxy.faults.delay, data))

    async def _deliver(
        self, under_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        clock = asyncio.get_running_loop().time
        counted_under, passed = self._proxy.faults, 0
        while True:
            due, data = await under_way.get()
            if due > clock():
                await asyncio.sleep(due - clock())
            await self._released(replies=replies)
            if not data:
                writer.write_eof()
                self.server_has_ended = self.server_has_ended or replies
                return
            for piece in self._pieces(data):
                await self._released(replies=replies)
                faults = self._proxy.faults
                if faults is not counted_under:
                    counted_under, passed = faults, 0
                if replies and faults.reset_after is not None and passed + len(piece) > faults.reset_after:
                    writer.write(piece[: faults.reset_after - passed])
                    raise ConnectionResetError
                passed += len(piece)
                writer.write(piece)
                await writer.drain()
                if faults.piece_size:
                    await asyncio.sleep(0)  # lets a client on this loop read the piece before the next is there

    async def _released(self, *, replies: bool) -> None:
        while self._proxy.faults.hold_replies if replies else self._proxy.faults.hold_requests:
            await self._proxy.wait_faults_changed()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self._proxy.faults.piece_size or len(data)
        return (data[start : start + size] for start in range(0, len(data), size))


@contextmanager
def unanswered_port(port: int = 0) -> Iterator[int]:
    """Yield a port (the given one, or any) where to connect takes for ever, as with a host whose packets are dropped."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)  # a full queue of connections that nobody accepts makes the kernel drop further ones
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(2)]
        try:
            for connection in waiting:
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for connection in waiting:
                connection.close()
