"""Drives an ASGI application inside its own process: a server that costs next to nothing. Needs the standard library only."""

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders.site import ANSWER, ASGIApp

Header = tuple[bytes, bytes]

_BROWSER: list[Header] = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"de,en-US;q=0.7,en;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
]
"""What a browser sends with each request; the credential comes last."""


@dataclass
class Round:
    """What one round cost."""

    requests: int
    cpu: float
    """Microseconds of this process's CPU for one request."""
    wall: float
    """Microseconds for one request."""
    failures: list[str] = field(default_factory=list)
    """The first few answers that were not as expected."""


class Exchange:
    """One request and what was answered."""

    __slots__ = ("_asked", "body", "headers", "status")

    def __init__(self) -> None:
        self._asked = False
        self.status = 0
        self.headers: Sequence[Header] = ()
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        """An empty body, and then nothing more: the client stays."""
        if self._asked:
            await asyncio.get_running_loop().create_future()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        """Keep the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = message.get("headers", ())
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


class Driver:
    """One application, started, with the credentials of its visitors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._visitors: list[list[Header]] = [_BROWSER]
        self._lifespan: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Run the application's lifespan up to its start."""
        started: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        events = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def receive() -> dict[str, Any]:
            if started.done():
                await self._stop.wait()
            return next(events)

        async def send(message: dict[str, Any]) -> None:
            if not started.done():
                started.set_result(message)

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._lifespan = asyncio.ensure_future(self.app(scope, receive, send))
        either: list[asyncio.Future[Any]] = [self._lifespan, started]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await self._lifespan  # raises what kept it from starting
            raise RuntimeError("The application ended at its start.")
        message = started.result()
        if message["type"] != "lifespan.startup.complete":
            raise RuntimeError(f"The application did not start: {message}")

    async def stop(self) -> None:
        """Run the lifespan to its end."""
        self._stop.set()
        if self._lifespan is not None:
            await self._lifespan

    async def present_tokens(self, tokens: Sequence[str]) -> None:
        """Let each visitor send one of these."""
        self._visitors = [[*_BROWSER, (b"authorization", b"Bearer " + token.encode())] for token in tokens]

    async def log_in(self, visitors: int, path: str) -> None:
        """Let so many visitors log in, and send their cookies from now on."""
        self._visitors = [[*_BROWSER, await self._log_in(path)] for _ in range(visitors)]

    async def _log_in(self, path: str) -> Header:
        exchange = await self.request(_BROWSER, "POST", path)
        if exchange.status != 200:
            raise RuntimeError(f"The login answered {exchange.status}: {exchange.body[:200]!r}")
        pairs = [value.partition(b";")[0] for name, value in exchange.headers if name.lower() == b"set-cookie"]
        if not pairs:
            raise RuntimeError("The login set no cookie.")
        return (b"cookie", b"; ".join(pairs))

    async def log_in_at_once(self, visitors: int, in_flight: int, path: str) -> tuple[list[float], list[str]]:
        """Let so many log in, `in_flight` at a time: how long each of them took (ms), and what went wrong with the others."""
        latencies: list[float] = []
        failures: list[str] = []

        async def lane(turns: int) -> None:
            for _ in range(turns):
                began = time.perf_counter()
                try:
                    await self._log_in(path)
                except Exception as error:  # noqa: BLE001  # whatever a contender does under pressure is a result
                    failures.append(f"{type(error).__name__}: {error}"[:200])
                else:
                    latencies.append(1000 * (time.perf_counter() - began))

        await asyncio.gather(*(lane(visitors // in_flight) for _ in range(in_flight)))
        return latencies, failures

    async def garbage(self, requests: int) -> float:
        """Objects that a request leaves to the cycle collector, on average; each visitor reads in turn."""
        failures: list[str] = []
        await self._lanes(requests, 1, failures)
        gc.collect()
        gc.disable()
        try:
            await self._lanes(requests, 1, failures)
            found = gc.collect()
        finally:
            gc.enable()
        if failures:
            raise RuntimeError(failures[0])
        return found / requests

    async def request(self, headers: list[Header], method: str = "GET", path: str = "/read") -> Exchange:
        """One request."""
        exchange = Exchange()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "state": {},
        }
        await self.app(scope, exchange.receive, exchange.send)
        return exchange

    async def round(self, requests: int, in_flight: int) -> Round:
        """Let the visitors read in turn, `in_flight` of them at any time."""
        failures: list[str] = []
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        await self._lanes(requests, in_flight, failures)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return Round(requests, 1e6 * cpu / requests, 1e6 * wall / requests, failures)

    async def _lanes(self, requests: int, in_flight: int, failures: list[str]) -> None:
        lanes = (self._lane(range(lane, requests, in_flight), failures) for lane in range(min(in_flight, requests)))
        await asyncio.gather(*lanes)

    async def _lane(self, turns: range, failures: list[str]) -> None:
        visitors = self._visitors
        for turn in turns:
            exchange = await self.request(visitors[turn % len(visitors)])
            if (exchange.status != 200 or exchange.body != ANSWER) and len(failures) < 3:
                failures.append(f"{exchange.status} {exchange.body[:200]!r}")
