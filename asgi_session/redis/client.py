"""The package's one way to Redis: everything that touches Redis goes through ``RedisClient``.

Commands issued in one turn of the event loop leave together; each has a deadline; a server that stays silent is left alone for a
while. The same calls work on a server, with Sentinel and on a Cluster.

Shared state: ``_link`` belongs to the event loop that runs when it is made. A client that finds itself on another loop (test
clients start one per request) lets go of the old link and makes a new one.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from asgi_session.breaker import CircuitBreaker
from asgi_session.clock import SYSTEM_CLOCK, Clock
from asgi_session.exceptions import ConfigurationError, Problem, StoreError, StoreUnavailable
from asgi_session.redis.script import Operand, Script
from asgi_session.redis.url import parse_url

if TYPE_CHECKING:
    from asgi_session.redis.connections import Connections
    from asgi_session.redis.link import Link


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at the servers found."""

    state: Literal["healthy", "degraded", "down"]
    """``"degraded"``: some primaries of a Cluster don't answer."""
    latency: float
    """Seconds until the slowest server answered, or failed to."""
    detail: str
    """For people: who does not answer, and why."""


class RedisClient:
    """Talks to one Redis: a server, whatever master the Sentinels name, or a Cluster.

    Connects on demand, so that it works without ``open()`` and after any outage; ``open()`` only finds out at once whether it can.

    Args:
        url: see ``asgi_session.redis.url``.
        connect_timeout: seconds that a new connection may take, on top of ``operation_timeout``.
        operation_timeout: seconds that a command may take, waiting for a connection included.
        breaker: refuses commands while the server stays silent. On a Cluster, each node gets a sibling of it.
        max_connections: to each server. Commands beyond wait, and leave together when a connection is free.
        clock: for the latency and the default breaker.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout: float = 1.0,
        operation_timeout: float = 0.25,
        breaker: CircuitBreaker | None = None,
        max_connections: int = 16,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.breaker = breaker or CircuitBreaker(clock=clock)
        self._address = parse_url(url)
        self._connect_timeout = connect_timeout
        self._operation_timeout = operation_timeout
        self._max_connections = max_connections
        self._clock = clock
        self._link: Link | None = None
        self._closed = False
        self.is_cluster = self._address.kind == "cluster"
        self.database = self._address.db
        """Its number; a Cluster has only 0."""

    def __repr__(self) -> str:
        return f"RedisClient({self._address.kind} {self._address})"

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the arguments. Never shows the password."""
        found = [*self._address.problems, *self.breaker.problems()]
        for name in ("connect_timeout", "operation_timeout"):
            if not getattr(self, f"_{name}") > 0:
                found.append(Problem(name, "is not more than 0 seconds.", "Use a fraction of a second or more."))
        if self._max_connections < 1:
            found.append(Problem("max_connections", f"is {self._max_connections}.", "Use 1 or more."))
        return found

    async def open(self) -> None:
        """Connects, or connects again after ``close()``. Harmless where that is done.

        Raises:
            ConfigurationError: the arguments have problems.
            StoreUnavailable: the server can't be reached just now; the client goes on trying with every command.
            StoreError: the server refuses us, for example because of a wrong password.
        """
        self._closed = False
        await self.on_every_primary("PING")

    async def close(self) -> None:
        """Waits for commands on their way, no longer than they may take, and closes all connections; leaves no task.

        Later commands raise ``StoreUnavailable``, until ``open()``.
        """
        self._closed = True
        link, self._link = self._link, None
        if link is None:
            return
        if link.loop is asyncio.get_running_loop():
            await link.close()
        else:
            link.abandon()

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Operand] = ()) -> Any:
        """Runs a script in one round trip; two where the server does not know it yet, or forgot it.

        Args:
            script: what to run.
            keys: on a Cluster, all in one slot; the first decides on the node.
            args: what the script finds in ``ARGV``.

        Returns:
            The reply as Redis gave it: bytes, int, None or a list of those.

        Raises:
            StoreUnavailable: no answer in time (the script may have run), or one that says "not now" (it has not).
            StoreError: the script failed, or is not allowed.
        """
        return await self._submit(("EVALSHA", script.sha, len(keys), *keys, *args), keys[0] if keys else None, script)

    async def command(self, *words: Operand, key: str | bytes | None = None) -> Any:
        """Runs one command, which must be none that blocks, subscribes, watches or changes the connection.

        Args:
            words: the command, word by word: ``"CONFIG", "GET", "maxmemory"``.
            key: decides on the node of a Cluster. Left out: the first word after the command, which is right nearly always; a
                command without words goes to any primary.

        Returns:
            The reply as Redis gave it (RESP3), not as the driver would dress it up: ``b"OK"``, a dict of bytes for HGETALL.

        Raises:
            StoreUnavailable: no answer in time (the command may have run), or one that says "not now" (it has not).
            StoreError: the command was refused.
        """
        return await self._submit(words, key if key is not None or len(words) < 2 else words[1])

    async def on_every_primary(self, *words: Operand) -> list[Any]:
        """Runs a command on the server, or on every primary of a Cluster.

        Raises:
            StoreError: what the first of them that failed said, as for ``command``; the others have run it nevertheless.
        """
        outcomes = await self._current_link().on_every_primary(words)
        for _, outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return [outcome for _, outcome in outcomes]

    def scan(self, match: str, *, step: int = 500) -> AsyncIterator[str]:
        """Walks over all keys, step by step: for operators and maintenance, never for a request.

        A key that is there all the time comes up at least once, perhaps twice; one that comes or goes meanwhile may come up.

        Args:
            match: a pattern as Redis knows it: ``"app:*"``.
            step: how many keys the server looks at before it serves somebody else.

        Raises:
            StoreError: as for ``command``.
        """
        return self._current_link().scan(match, step)

    async def health(self) -> Health:
        """Asks every server whether it is there; never raises, and costs a server that is left alone nothing."""
        started = self._clock.monotonic()
        try:
            outcomes = await self._current_link().on_every_primary(("PING",))
        except StoreError as error:
            return Health("down", self._clock.monotonic() - started, str(error))
        latency = self._clock.monotonic() - started
        silent = [f"{place}: {outcome}" for place, outcome in outcomes if isinstance(outcome, BaseException)]
        if not silent:
            return Health("healthy", latency, f"{len(outcomes)} of {len(outcomes)} servers answer.")
        return Health("down" if len(silent) == len(outcomes) else "degraded", latency, " ".join(silent))

    def same_node(self, a: str, b: str) -> bool:
        """Whether one server holds both keys, as far as is known now. Always, but on a Cluster."""
        return not self.is_cluster or self._current_link().same_node(a, b)

    async def servers(self) -> list[tuple[str, "Connections"]]:
        """Each server that holds data of its own: its place, and the way to connect to it.

        Raises:
            StoreError: that can't be found out.
        """
        return await self._current_link().servers()

    def _submit(self, words: tuple[Operand, ...], key: Operand | None, script: Script | None = None) -> "asyncio.Future[Any]":
        """Puts a command on its way. No frame of ours keeps the future, so that an error in it makes no reference cycle."""
        return self._current_link().submit(words, key, script)

    def _current_link(self) -> "Link":
        link = self._link
        if link is None or link.loop is not asyncio.get_running_loop():
            link = self._new_link()
        return link

    def _new_link(self) -> "Link":
        if self._closed:
            raise StoreUnavailable("The connections to Redis have been closed.")
        if problems := self.problems():
            raise ConfigurationError(problems)
        from asgi_session.redis.link import Limits, Link  # the driver: only where it is used

        if self._link is not None:
            self._link.abandon()
        limits = Limits(self._connect_timeout, self._operation_timeout, self._max_connections)
        self._link = Link(self._address, limits, self.breaker)
        return self._link
