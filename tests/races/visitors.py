"""One worker process of several whose clients come again and again: ``python -m tests.races.visitors NAME NAMESPACE URL``.

Each session has one client here. Every other one only reads; the others also count in a key of this process alone, with every
``--write-every``-th request. With ``--idle`` (seconds) timeouts are slid behind requests that the cache serves.

A line of JSON on the standard input brings new sessions (a list of user and credential) and is answered by a line of JSON with what
was seen so far; the end of the input is the end. Times are monotonic, hence the same in all processes of the machine.
"""

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from asgi_session import wiring
from tests.cache.workers import Worker
from tests.races import guards
from tests.support.asgi import Response

PAUSE = 0.02
"""Seconds between two requests of a client."""


@dataclass
class Client:
    """What one client has seen."""

    user: str
    last: str = ""
    """The last answer: served, denied, or unavailable."""
    served: int = 0
    by_heart: int = 0
    """Served without asking anybody."""
    last_served: float = 0.0
    """When the last request that was served began."""
    first_denied: float | None = None
    kept: int = 0
    """What it has written, and the worker has confirmed."""
    undone: int = 0
    """How often it saw less than that."""
    wrong: list[str] = field(default_factory=list)
    """What nobody may ever see."""

    def take(self, response: Response, begun: float, key: str) -> None:
        """Look at an answer."""
        if response.all("set-cookie"):
            self.wrong.append("a cookie")
        if response.status == 503:
            self.last = "unavailable"
            return
        answer = response.json()
        if answer["user"] is None:
            self.last = "denied"
            self.first_denied = self.first_denied or time.monotonic()
            return
        self.last = "served"
        self.served += 1
        self.by_heart += answer["how"][0] == "quick"
        self.last_served = begun
        if (answer["user"], answer["data"].get("mine")) != (self.user, self.user):
            self.wrong.append(f"the session of {answer['user']} with {answer['data']}")
        kept = answer["data"].get(key, 0)
        self.undone += kept < self.kept
        self.kept = kept


class Visitors:
    """The clients of one process."""

    def __init__(self, name: str, worker: Worker, write_every: int) -> None:
        self._name = name
        self._worker = worker
        self._write_every = write_every
        self._clients: list[Client] = []
        self._visits: set[asyncio.Task[None]] = set()
        self._last_unavailable = 0.0

    def bring(self, sessions: list[list[str]]) -> None:
        """More clients, from now on."""
        for user, credential in sessions:
            client = Client(user)
            write_every = self._write_every if len(self._clients) % 2 else 0
            self._clients.append(client)
            self._visits.add(asyncio.ensure_future(self._visit(client, credential, write_every)))

    def report(self) -> dict[str, Any]:
        """What was seen so far."""
        for visit in self._visits:
            if visit.done():
                visit.result()  # whatever ended it
        return {
            "trusted": self._worker.store.link.lease("000").until > time.monotonic(),
            "last_unavailable": self._last_unavailable,
            "clients": [asdict(client) for client in self._clients],
        }

    def stop(self) -> None:
        """Nobody comes any more."""
        for visit in self._visits:
            visit.cancel()

    async def _visit(self, client: Client, credential: str, write_every: int) -> None:
        for number in count(1):
            writes = write_every and number % write_every == 0
            begun = time.monotonic()
            response = await self._worker.get(f"/note?{self._name}" if writes else "/judged", credential)
            client.take(response, begun, self._name)
            if client.last == "unavailable":
                self._last_unavailable = time.monotonic()
            await asyncio.sleep(PAUSE)


async def lines() -> asyncio.StreamReader:
    """The standard input."""
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(arguments: argparse.Namespace) -> None:
    """See the module."""
    if arguments.cache:
        wiring.SessionCache = getattr(guards, arguments.cache)  # type: ignore[misc]
    options = {"idle_timeout": arguments.idle} if arguments.idle else {}
    async with AsyncExitStack() as stack:
        made = Worker(arguments.url, arguments.namespace, link_url=arguments.link_url, **options)
        visitors = Visitors(arguments.name, await stack.enter_async_context(made), arguments.write_every)
        stack.callback(visitors.stop)
        reader = await lines()
        while line := await reader.readline():
            visitors.bring(json.loads(line))
            print(json.dumps(visitors.report()), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("name", "namespace", "url"):
        parser.add_argument(name)
    parser.add_argument("--link-url", help="where the invalidation link goes, if not where the store is")
    parser.add_argument("--write-every", type=int, default=0)
    parser.add_argument("--idle", type=float)
    parser.add_argument("--cache", help="one of tests/races/guards.py, whose guard is missing")
    asyncio.run(main(parser.parse_args()))
