"""The least that a client of HTTP needs, so that it does not become what is measured."""

import asyncio
from collections import deque
from typing import Self

import httptools


class Connection(asyncio.Protocol):
    """One request at a time over a connection that stays open."""

    def __init__(self) -> None:
        self._transport = asyncio.Transport()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body = b""

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            ConnectionResetError: the server closed the connection.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("closed by the server before the request")
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._body = b""
        self._answer = answer
        self._transport.write(request)
        return await answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: D102
        if self._answer is not None:
            self._answer.set_exception(error or ConnectionResetError("closed by the server"))

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """Of the parser."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.set_result((self._parser.get_status_code(), self._body))

    def close(self) -> None:
        """Close."""
        self._transport.close()


class Pool:
    """Connections that are shared; who finds none idle waits for his turn."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections
        self._idle = deque(connections)
        self._waiting: deque[asyncio.Future[Connection]] = deque()

    @classmethod
    async def open(cls, port: int, count: int) -> Self:
        """Open so many to a server on this machine, one after the other."""
        loop = asyncio.get_running_loop()
        return cls([(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(count)])

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """See `Connection.ask`."""
        connection = await self._take()
        try:
            return await connection.ask(request)
        finally:
            if self._waiting:
                self._waiting.popleft().set_result(connection)
            else:
                self._idle.append(connection)

    async def _take(self) -> Connection:
        if self._idle:
            return self._idle.pop()
        waiting: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return await waiting

    def close(self) -> None:
        """Close them all."""
        for connection in self._connections:
            connection.close()
