"""How each of the table's faults is brought about on a real Redis behind a real TCP proxy, and undone."""

import asyncio
from contextlib import AsyncExitStack

import redis

from tests.services.fault_proxy import BLACK_HOLE, HEALTHY, FaultProxy, Faults, unanswered_port
from tests.services.redis import RedisServer

LATE = 20.0
"""Seconds: far beyond every deadline."""


class RedisRig:
    """A Redis, one that never gets ready, and the proxy through which the application reaches either."""

    def __init__(self, server: RedisServer, loading: RedisServer, proxy: FaultProxy) -> None:
        self.server = server
        self.loading = loading
        self.proxy = proxy
        self._undo = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where the application finds its Redis."""
        return f"redis://127.0.0.1:{self.proxy.port}/0"

    async def begin(self, fault: str) -> None:
        """Bring about the fault of that name in the table."""
        match fault:
            case "refused":
                await self._refuse()
            case "unreachable":
                await self._refuse()
                self._undo.enter_context(unanswered_port(self.proxy.port))
            case "killed":
                self._undo.callback(self.server.restart)
                self.server.kill()
            case "restarted" | "restarted-empty":
                self.server.kill()
                await self._clients_know()
                if fault == "restarted-empty":
                    self.server.forget()
                self.server.start()
            case "hanging":
                self._undo.callback(self.server.resume)
                self.server.pause()
            case "black-hole":
                self._harm(BLACK_HOLE)
            case "slow":
                self._harm(Faults(delay=LATE / 2))
            case "reset":
                self._harm(Faults(reset_after=2))
            case "paused":
                self._undo.callback(self.server.command, "CLIENT", "UNPAUSE")
                self.server.command("CLIENT", "PAUSE", 60_000, "WRITE")  # stops every script, too, and lets UNPAUSE through
            case "loading":
                self._undo.push_async_callback(self._move_to, self.server)
                await self._move_to(self.loading)
            case "read-only":
                self._undo.callback(self.server.cli.replicaof, "NO", "ONE")
                self.server.cli.replicaof("127.0.0.1", 1)  # nobody listens there, so its data stay as they are
            case "out-of-memory":
                self._undo.callback(self.server.cli.config_set, "maxmemory", 0)
                self.server.cli.config_set("maxmemory", 1)
            case _:
                raise KeyError(fault)

    async def end(self) -> None:
        """Undo what was begun."""
        await self._undo.aclose()

    async def break_connections(self) -> None:
        """Reset every open connection, and return when both ends know."""
        self.proxy.reset_connections()
        while self.proxy.open_connections:
            await asyncio.sleep(0)
        await self._clients_know()

    async def _clients_know(self) -> None:
        """Return when they have had the time to read that the server has ended their connections."""
        while self.proxy.served_connections:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)  # the client's end notices, too

    async def _refuse(self) -> None:
        self._undo.push_async_callback(self.proxy.accept)
        await self.proxy.refuse()
        await self.break_connections()

    def _harm(self, faults: Faults) -> None:
        self._undo.callback(setattr, self.proxy, "faults", HEALTHY)
        self.proxy.faults = faults

    async def _move_to(self, server: RedisServer) -> None:
        self.proxy.upstream_port = server.port
        await self.break_connections()


def never_ready() -> RedisServer:
    """A Redis that was restarted with so much data, read so slowly, that it answers LOADING for minutes."""
    slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no")
    server = RedisServer(*slowly).start()
    server.command("DEBUG", "POPULATE", 20_000, "key", 2_000)
    server.cli.save()
    server.kill()
    server.process.start()
    server.process.wait_ready(lambda: _is_loading(server), seconds=10)
    return server


def _is_loading(server: RedisServer) -> bool:
    try:
        return bool(server.cli.info("persistence")["loading"])
    except redis.ConnectionError:
        return False
