"""The same on real servers: two uvicorn workers that share a Redis, their sockets and streams, and one that is frozen."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from asgi_session import SessionManager, StoredSession
from asgi_session.cache.link import TRUST
from asgi_session.stores.urls import store_from_url
from tests.cache.site import SESSION_COOKIE
from tests.cache.workers import seconds_until
from tests.servers.programs import AsgiServer
from tests.services.process import wait_until
from tests.services.redis import RedisServer, started
from tests.support.site import SECRET

pytestmark = [pytest.mark.server, pytest.mark.alone]

UP = 0.25
"""Seconds: the budget is 50 ms at the 99th percentile (benchmarks measure it); the median of a busy machine keeps to this."""


@pytest.fixture(scope="module")
def shared_redis() -> Iterator[RedisServer]:
    """A Redis of this module."""
    server = started(RedisServer)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pair(shared_redis: RedisServer) -> Iterator[tuple[AsgiServer, AsgiServer]]:
    """Two workers, as two hosts would run them."""
    made = [AsgiServer("tests.cache.site:app", env={"STORE": shared_redis.url}) for _ in range(2)]
    with ExitStack() as stack:
        for server in made:
            stack.callback(server.stop)
            server.process.start()
        for server in made:
            server.process.wait_ready(server.answers, seconds=30)
        yield made[0], made[1]


@pytest.fixture
async def manager(shared_redis: RedisServer) -> AsyncIterator[SessionManager]:
    """Somebody who makes and ends sessions beside the workers."""
    async with SessionManager(SECRET, store=store_from_url(shared_redis.url)) as manager:  # type: ignore[arg-type]
        yield manager


class Client:
    """A browser in front of one worker."""

    def __init__(self, connection: httpx.AsyncClient, session: StoredSession) -> None:
        self._connection = connection
        self._headers = {"Cookie": f"{SESSION_COOKIE}={session.credential}"}

    async def judged(self) -> dict[str, object]:
        """What the worker thinks of it."""
        answer: dict[str, object] = (await self._connection.get("/judged", headers=self._headers)).json()
        return answer

    async def logout(self) -> None:
        """End the session."""
        assert (await self._connection.post("/logout", headers=self._headers)).status_code == 200

    async def is_known(self) -> None:
        """Wait until the worker serves the session from its memory."""

        async def by_heart() -> bool:
            return (await self.judged())["how"] == ["quick", True, "valid"]

        await seconds_until(by_heart, pause=0.005)

    async def denied_after(self) -> tuple[float, float]:
        """Seconds until the worker denies it, and when, in the same seconds, the last request was sent that it served."""
        begin, served = time.monotonic(), 0.0

        async def denied() -> bool:
            nonlocal served
            sent = time.monotonic()
            is_denied = (await self.judged())["user"] is None
            served = served if is_denied else sent - begin
            return is_denied

        return await seconds_until(denied), served


def open_socket(server: AsgiServer, session: StoredSession, path: str) -> AbstractContextManager[ClientConnection]:
    """A socket of the session's client, accepted."""
    cookie = {"Cookie": f"{SESSION_COOKIE}={session.credential}"}
    return connect(f"{server.socket_url}{path}", additional_headers=cookie, proxy=None, max_size=None, close_timeout=0.1)


def close_code(socket: ClientConnection, *, seconds: float) -> int:
    """With which code the server closes, past everything that it sends before."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            socket.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else 0
    raise AssertionError("The server goes on sending.")


@pytest.fixture
async def connections(pair: tuple[AsgiServer, AsgiServer]) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """To each worker one."""
    one, other = (httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=10) for server in pair)
    async with one, other:
        yield one, other


@pytest.mark.security("LC-09")
async def test_how_long_a_logout_takes_between_processes(
    connections: tuple[httpx.AsyncClient, httpx.AsyncClient], manager: SessionManager
) -> None:
    """From its answer to the denial by the other process; the requests that look are part of the time."""
    taken, served = [], []
    for _ in range(100):
        session = await manager.create("ann")
        one, other = (Client(connection, session) for connection in connections)
        await other.is_known()
        await one.logout()
        for times, seconds in zip((taken, served), await other.denied_after(), strict=True):
            times.append(seconds)
    p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    print(f"p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms, max {1000 * max(taken):.1f} ms")
    assert p50 < UP
    assert max(served) <= TRUST


@pytest.mark.security("LC-09")
async def test_a_process_that_was_frozen(
    pair: tuple[AsgiServer, AsgiServer], connections: tuple[httpx.AsyncClient, httpx.AsyncClient], manager: SessionManager
) -> None:
    """Longer than silence is believed: its first answer afterwards is right, although it has not read any news yet."""
    session = await manager.create("ann")
    other = Client(connections[1], session)
    await other.is_known()
    pid = pair[1].process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await manager.revoke_user("ann")
        asking = asyncio.ensure_future(other.judged())
        await asyncio.sleep(2.05)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (await asking)["user"] is None


@pytest.mark.parametrize("path", ["/listen", "/broadcast"])
@pytest.mark.security("LC-15")
async def test_sockets_of_a_revoked_session(pair: tuple[AsgiServer, AsgiServer], manager: SessionManager, path: str) -> None:
    """On every worker, at once, with 1008; no application goes on for nobody. Those of others stay."""
    mine, others = await manager.create("ann"), await manager.create("bob")
    before = [server.process.log.count("over\n") for server in pair]
    with (
        open_socket(pair[0], mine, path) as one,
        open_socket(pair[1], mine, path) as other,
        open_socket(pair[0], others, "/listen") as bystander,
    ):
        await manager.revoke_user("ann")
        begin = time.monotonic()
        codes = [await asyncio.to_thread(close_code, socket, seconds=5.0) for socket in (one, other)]
        took = time.monotonic() - begin
        print(f"closed after {1000 * took:.0f} ms")
        assert codes == [1008, 1008]
        assert took < 0.5
        for server, ended in zip(pair, before, strict=True):
            wait_until(lambda log=server.process, ended=ended: log.log.count("over\n") > ended, "the application ends", seconds=5)
            assert "Traceback" not in server.process.log
        bystander.send("still here")
        assert await asyncio.to_thread(bystander.recv, timeout=5) == "still here"


@pytest.mark.security("LC-15")
async def test_a_client_that_reads_nothing(pair: tuple[AsgiServer, AsgiServer], manager: SessionManager) -> None:
    """The application is stuck in the middle of a send, since nobody takes what it sends; its session ends it all the same."""
    session = await manager.create("ann")
    ended = pair[0].process.log.count("broadcast over")
    with open_socket(pair[0], session, "/flood") as socket:
        socket.recv(timeout=5)
        await asyncio.sleep(0.3)  # all buffers are full
        await manager.revoke(session.handle)
        begin = time.monotonic()
        wait_until(lambda: pair[0].process.log.count("broadcast over") > ended, "the application ends", seconds=30)
        print(f"the application ended after {time.monotonic() - begin:.1f} s")
        assert "Traceback" not in pair[0].process.log


@pytest.mark.security("LC-15")
async def test_a_stream_of_a_revoked_session(pair: tuple[AsgiServer, AsgiServer], manager: SessionManager) -> None:
    """Server-sent events whose handler awaits the end."""
    session = await manager.create("ann")
    cookies = {SESSION_COOKIE: session.credential or ""}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=10, cookies=cookies) as client,
        client.stream("GET", f"{pair[1].url}/events") as response,
    ):
        lines = response.aiter_lines()
        assert await anext(lines) == "data: begin"
        await manager.revoke(session.handle)
        begin = time.monotonic()
        assert [line async for line in lines if line] == ["data: end"]
        assert time.monotonic() - begin < 1.0
