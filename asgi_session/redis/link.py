"""Everything of a client that belongs to one event loop: the way from words to replies."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

from asgi_session.breaker import CircuitBreaker
from asgi_session.redis.call import Call
from asgi_session.redis.cluster import Cluster
from asgi_session.redis.connections import Connections
from asgi_session.redis.lane import Lane, Limits, Redirect
from asgi_session.redis.route import OneServer, Route
from asgi_session.redis.script import Operand, Script
from asgi_session.redis.slots import slot_of
from asgi_session.redis.url import Host, RedisAddress, host_and_port

__all__ = ["Limits", "Link"]


class Link:
    """Routes, lanes and connections, made for the running loop. Nothing connects before the first call."""

    def __init__(self, address: RedisAddress, limits: Limits, breaker: CircuitBreaker) -> None:
        self.loop = asyncio.get_running_loop()
        self._on_cluster = address.kind == "cluster"
        self._route = route = _route(address, limits, breaker)
        weakref.finalize(self, _abandon_after_its_loop, self.loop, route).atexit = False

    def submit(self, words: tuple[Operand, ...], key: Operand | None, script: Script | None = None) -> "asyncio.Future[Any]":
        """Puts a command on its way; its reply or error will be in the future.

        Raises:
            TypeError: a word is no Operand.
        """
        slot = slot_of(key) if self._on_cluster and key is not None else None
        call = Call(self.loop, words, slot, script)
        self._route.submit(call)
        return call.reply

    async def on_every_primary(self, words: tuple[Operand, ...]) -> list[tuple[str, Any]]:
        """Each primary's place with its reply, or with the error instead."""
        lanes = await self._route.primaries()
        calls = [Call(self.loop, words) for _ in lanes]
        for lane, call in zip(lanes, calls, strict=True):
            lane.submit(call)
        replies = await asyncio.gather(*(call.reply for call in calls), return_exceptions=True)
        return [(lane.place, reply) for lane, reply in zip(lanes, replies, strict=True)]

    async def scan(self, match: str, step: int) -> AsyncIterator[str]:
        """All keys of all primaries whose names match."""
        for lane in await self._route.primaries():
            cursor: str | bytes = "0"
            while cursor != b"0":
                call = Call(self.loop, ("SCAN", cursor, "MATCH", match, "COUNT", step))
                lane.submit(call)
                cursor, keys = await call.reply
                for key in keys:
                    yield key.decode(errors="surrogateescape")

    async def servers(self) -> list[tuple[str, Connections]]:
        """Each primary's place with the way to connect to it."""
        return [(lane.place, lane.connections) for lane in await self._route.primaries()]

    def same_node(self, a: str, b: str) -> bool:
        """Whether one server holds both keys."""
        return self._route.same_node(slot_of(a), slot_of(b))

    async def close(self) -> None:
        """Ends everything in good order."""
        await self._route.close()

    def abandon(self) -> None:
        """Ends everything from another loop, or from none."""
        if self.loop.is_running():
            with contextlib.suppress(RuntimeError):  # it ended just now
                self.loop.call_soon_threadsafe(self._route.abandon)
        else:
            self._route.abandon()


def _abandon_after_its_loop(loop: asyncio.AbstractEventLoop, route: Route) -> None:
    """Nobody can close a client whose loops have come and gone. One whose loop still runs was forgotten: the driver warns.

    No ``__del__``: the garbage collector might call those of the connections first.
    """
    if loop.is_closed():
        route.abandon()


def _route(address: RedisAddress, limits: Limits, breaker: CircuitBreaker) -> Route:
    patience = limits.connect_timeout
    match address.kind:
        case "cluster":

            def make_lane(host: Host, redirect: Redirect, on_silence: Callable[[], object]) -> Lane:
                connections = Connections.to_server(address, host, patience)
                return Lane(host_and_port(*host), connections, limits, breaker.sibling(), redirect, on_silence)

            return Cluster(address.hosts, make_lane)
        case "sentinel":
            connections = Connections.to_master(address, patience)
        case "socket":
            connections = Connections.to_socket(address, patience)
        case "server":
            connections = Connections.to_server(address, address.hosts[0], patience)
    return OneServer(Lane(str(address), connections, limits, breaker))
