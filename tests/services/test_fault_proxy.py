"""The fault proxy does to connections what it says, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from tests.services.fault_proxy import BLACK_HOLE, HEALTHY, FaultProxy, Faults, unanswered_port
from tests.services.ports import free_port


class EchoServer:
    """Sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard = bytearray()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while data := await reader.read(65536):
                self.heard += data
                writer.write(data)
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[EchoServer]:
    """A listening echo server."""
    server = EchoServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", server.port)
    yield server
    listening.close()


@pytest.fixture
async def proxy(echo: EchoServer) -> AsyncIterator[FaultProxy]:
    """The proxy before the echo server."""
    async with FaultProxy(echo.port) as proxy:
        yield proxy


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def connect(proxy: FaultProxy) -> AsyncIterator[Connect]:
    """Connects to the proxy, and disconnects at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.transport.abort()


async def _within(seconds: float, reading: Awaitable[bytes]) -> bytes | None:
    try:
        return await asyncio.wait_for(reading, seconds)
    except TimeoutError:
        return None


async def test_passes_everything_on_and_counts_it(proxy: FaultProxy, connect: Connect) -> None:
    """Without faults the proxy is invisible but for its counters."""
    reader, writer = await connect()
    writer.write(b"x" * 200_000)
    writer.write_eof()
    assert await reader.read() == b"x" * 200_000
    assert (proxy.connections, proxy.request_bytes, proxy.reply_bytes) == (1, 200_000, 200_000)


async def test_delays_each_direction(proxy: FaultProxy, connect: Connect) -> None:
    """A round trip takes twice the delay, however many requests are under way."""
    proxy.faults = Faults(delay=0.05)
    reader, writer = await connect()
    started = asyncio.get_running_loop().time()
    for byte in b"12345":
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await reader.readexactly(5) == b"12345"
    assert 0.1 <= asyncio.get_running_loop().time() - started < 0.4


async def test_a_long_delay_can_be_switched_on_and_off(proxy: FaultProxy, connect: Connect) -> None:
    """What comes after the delay is switched off passes at once, on another connection."""
    proxy.faults = Faults(delay=10)
    reader, writer = await connect()
    writer.write(b"slow")
    assert await _within(0.05, reader.read(1)) is None
    proxy.faults = HEALTHY
    reader, writer = await connect()
    writer.write(b"fast")
    assert await reader.readexactly(4) == b"fast"


async def test_black_hole_holds_requests_until_healed(proxy: FaultProxy, connect: Connect, echo: EchoServer) -> None:
    """In a black hole the server hears nothing; afterwards everything arrives, in order."""
    proxy.faults = BLACK_HOLE
    reader, writer = await connect()
    writer.write(b"one")
    assert await _within(0.05, reader.read(1)) is None
    assert echo.heard == b""
    writer.write(b"two")
    proxy.faults = HEALTHY
    assert await reader.readexactly(6) == b"onetwo"


async def test_holding_replies_lets_the_server_act(proxy: FaultProxy, connect: Connect, echo: EchoServer) -> None:
    """The server has heard the request although no reply comes back."""
    proxy.faults = Faults(hold_replies=True)
    reader, writer = await connect()
    writer.write(b"done?")
    assert await _within(0.05, reader.read(1)) is None
    assert echo.heard == b"done?"
    proxy.faults = HEALTHY
    assert await reader.readexactly(5) == b"done?"


async def test_slices_what_it_passes_on(proxy: FaultProxy, connect: Connect) -> None:
    """The pieces put together are what was sent."""
    proxy.faults = Faults(piece_size=3)
    reader, writer = await connect()
    writer.write(b"0123456789")
    first = await reader.read(100)
    assert len(first) <= 3 * 2
    assert first + await reader.readexactly(10 - len(first)) == b"0123456789"


async def test_resets_in_the_middle_of_a_reply(proxy: FaultProxy, connect: Connect) -> None:
    """Exactly the allowed bytes arrive, then the connection breaks; the count begins at the switch."""
    reader, writer = await connect()
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    proxy.faults = Faults(reset_after=4)
    writer.write(b"0123456789")
    assert await reader.readexactly(4) == b"0123"
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)


async def test_resets_open_connections_on_demand(proxy: FaultProxy, connect: Connect) -> None:
    """Every open connection breaks; new ones work."""
    reader, writer = await connect()
    writer.write(b"a")
    await reader.readexactly(1)
    assert proxy.open_connections == 1
    proxy.reset_connections()
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    reader, writer = await connect()
    writer.write(b"b")
    assert await reader.readexactly(1) == b"b"


async def test_refuses_new_connections_and_keeps_open_ones(proxy: FaultProxy, connect: Connect) -> None:
    """Between `refuse` and `accept` nobody new comes in."""
    reader, writer = await connect()
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    writer.write(b"b")
    assert await reader.readexactly(1) == b"b"
    await proxy.accept()
    await connect()


async def test_a_dead_upstream_closes_the_connection(connect: Connect, proxy: FaultProxy) -> None:
    """Where nobody listens behind the proxy, a connection through it ends at once."""
    proxy.upstream_port = free_port()
    reader, _ = await connect()
    assert await _within(5, reader.read()) == b""


async def test_nobody_answers_at_the_unanswered_port() -> None:
    """To connect there neither works nor fails."""
    with unanswered_port() as port, pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 0.2)
