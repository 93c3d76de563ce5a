"""A client that asks at a steady rate, whether or not the server keeps up: who waits is not forgotten in the latencies."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Sequence

import httptools

_CONNECTIONS = 64


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


class Pacer:
    """Many visitors, one rate."""

    def __init__(self) -> None:
        self._idle: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._latencies: list[float] = []
        self._answers: Counter[str] = Counter()

    async def run(self, port: int, credentials: Sequence[str], rate: float, seconds: float, skew: float) -> dict[str, object]:
        """Ask for `/read`, `rate` times a second; a visitor's share falls with its rank to the power of `skew` (0: all alike).

        Returns the latencies in milliseconds, each from the moment when the request was due, and how often which answer came.
        """
        loop = asyncio.get_running_loop()
        self._latencies, self._answers = [], Counter()
        opened = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(_CONNECTIONS)]
        self._idle = deque(opened)
        requests = [_request(port, credential) for credential in credentials]
        weights = [1 / rank**skew for rank in range(1, len(requests) + 1)]
        chosen = random.choices(requests, weights, k=int(rate * seconds))
        begin = time.monotonic() + 0.1
        asking: list[asyncio.Future[None]] = []
        for number, request in enumerate(chosen):
            due = begin + number / rate
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            asking.append(asyncio.ensure_future(self._ask(request, due)))
        await asyncio.gather(*asking)
        for connection in opened:
            connection.close()
        return {"latencies": self._latencies, "answers": self._answers}

    async def _ask(self, request: bytes, due: float) -> None:
        connection = await self._take()
        try:
            status, body = await connection.ask(request)
            self._answers[f"{status} {body.decode()}"] += 1
        finally:
            self._give_back(connection)
        self._latencies.append(1000 * (time.monotonic() - due))

    async def _take(self) -> Connection:
        if self._idle:
            return self._idle.pop()
        waiting: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return await waiting

    def _give_back(self, connection: Connection) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(connection)
        else:
            self._idle.append(connection)


def _request(port: int, credential: str) -> bytes:
    return f"GET /read HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: session={credential}\r\n\r\n".encode()
