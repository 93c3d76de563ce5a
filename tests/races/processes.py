"""Worker processes whose clients visit sessions, and the account of what they saw when these sessions ended."""

import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from asgi_session import SessionManager, StoredSession, StoreError
from asgi_session.cache.link import TRUST
from asgi_session.ids import user_bucket
from tests.races.visitors import Client

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which something that has to come has not come."""


class Process:
    """One worker process; see ``tests/races/visitors.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.clients: list[Client] = []
        self.trusted = False
        self.last_unavailable = 0.0

    async def ask(self, new: Sequence[tuple[str, str]] = ()) -> None:
        """Bring new sessions, and hear what was seen so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(new).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "a worker process has ended"
        report = json.loads(line)
        self.clients = [Client(**client) for client in report["clients"]]
        self.trusted = report["trusted"]
        self.last_unavailable = report["last_unavailable"]

    async def end(self) -> None:
        """Let it end in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                assert await self._process.wait() == 0, "a worker process has failed"
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise


@asynccontextmanager
async def processes(namespace: str, *places: Sequence[str], options: Sequence[str] = ()) -> AsyncIterator[list[Process]]:
    """One worker process for each place: the URL of its store, and options of its own."""
    async with AsyncExitStack() as stack:
        made = []
        for number, place in enumerate(places):
            words = ["-m", "tests.races.visitors", f"worker {number}", namespace, *place, *options]
            pipe = asyncio.subprocess.PIPE
            process = Process(await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe, limit=2**20))
            stack.push_async_callback(process.end)
            made.append(process)
        yield made


def names(namespace: str, bucket: str | None = None) -> Iterator[str]:
    """Users without end; those of one bucket, where it is given."""
    for number in count():
        name = f"user {number}"
        if bucket is None or user_bucket(name, namespace) == bucket:
            yield name


async def insist(step: Callable[[], Awaitable[T]]) -> T:
    """Try until the store takes it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await step()
        except StoreError:
            assert time.monotonic() < deadline, "the store never takes it"
            await asyncio.sleep(0.02)


@dataclass
class Insider:
    """Somebody who can end sessions before everybody else knows where."""

    manager: SessionManager
    told: Awaitable[float]
    """Monotonic time up to which a process could not find that out, whomever it asked."""


@dataclass
class Visited:
    """A session that has a client at each process."""

    number: int
    session: StoredSession
    end_begun: float = math.inf
    """When somebody first tried to end it."""
    ended: float = math.inf
    """When the store had confirmed that."""


class Trial:
    """Sessions that end under a fault, beside others that go on, and the account of all of them."""

    def __init__(self, manager: SessionManager, workers: Sequence[Process], users: Iterator[str]) -> None:
        self._manager = manager
        self.workers = workers
        self._users = users
        self._all: list[Visited] = []
        self._heard_after = 0.0
        self._told = -math.inf

    async def meet(self, number: int) -> list[Visited]:
        """New sessions, of a user each, which all processes know by heart when this returns."""
        made = []
        for _ in range(number):
            name = next(self._users)
            session = await insist(lambda name=name: self._manager.create(name, {"mine": name}))  # type: ignore[misc]
            made.append(Visited(len(self._all), session))
            self._all.append(made[-1])
        for worker in self.workers:
            await worker.ask([(str(visited.session.user_id), str(visited.session.credential)) for visited in made])
        await self.are_known(made)
        return made

    async def are_known(self, visited: Sequence[Visited]) -> None:
        """Wait until all are served by heart, from now on."""
        await self._ask()
        before = [client.by_heart for each in visited for client in self._clients(each)]
        await self.until(
            lambda: all(
                client.by_heart >= known + 3
                for known, client in zip(before, (client for each in visited for client in self._clients(each)), strict=True)
            ),
            "everybody is known",
        )

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Ask the processes again and again."""
        deadline = time.monotonic() + seconds
        while True:
            await self._ask()
            if condition():
                return
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}; {[worker.clients for worker in self.workers]}"
            await asyncio.sleep(0.02)

    async def run(
        self, fault: AbstractAsyncContextManager[Insider | None], *, loses_writes: bool = False, heard_after: float = 0.0
    ) -> float:
        """End three sessions, each in another way, and then all, while the fault lasts; then look at everything.

        Returns how many seconds after its end a session was still served: when the last request began that was.

        Args:
            fault: may say who shall end the sessions, because it hinders them less.
            loses_writes: what was confirmed to clients may be gone.
            heard_after: seconds in which a server that has been replaced may not have heard of it from any other.
        """
        self._heard_after = heard_after
        mine, revoked, of_user, *others = await self.meet(6)
        async with fault as given:
            manager = given.manager if given else self._manager
            await self._end([mine], lambda: manager.destroy(mine.session.handle))
            await self._end([revoked], lambda: manager.revoke(revoked.session.handle))
            await self._end([of_user], lambda: manager.revoke_user(str(of_user.session.user_id)))
            await self._are_not_served([mine, revoked, of_user])
            if not loses_writes:
                await self._nothing_was_lost(others, manager)
            await self._end(others, manager.revoke_all)
            await self._are_not_served(others)
            self._told = await given.told if given else -math.inf
        await self.meet(1)
        ended = [mine, revoked, of_user, *others]
        await self.until(lambda: all(client.last == "denied" for each in ended for client in self._clients(each)), "all are denied")
        await self.account(loses_writes=loses_writes)
        return max(client.last_served - each.ended for each in ended for client in self._clients(each))

    async def account(self, *, loses_writes: bool = False) -> None:
        """What no process may have seen, and nothing may be alive that was ended."""
        await self._ask()
        for visited in self._all:
            for client in self._clients(visited):
                assert client.wrong == []
                assert loses_writes or not client.undone, "a process does not see what it has written"
                since = max(visited.ended + self._heard_after, self._told)
                assert client.last_served <= since + TRUST, "served after the end"
                lost = client.first_denied is not None and client.first_denied < visited.end_begun
                assert not lost, "a session that was not ended is lost"
            if visited.ended < math.inf:
                session = visited.session
                assert await self._manager.get(session.handle) is None
                assert not [listed for listed in await self._manager.list_for_user(str(session.user_id)) if listed.is_live]

    async def _end(self, ended: Sequence[Visited], end: Callable[[], Awaitable[object]]) -> None:
        begun = time.monotonic()
        for visited in ended:
            visited.end_begun = begun
        await insist(end)
        for visited in ended:
            visited.ended = time.monotonic()

    async def _are_not_served(self, ended: Sequence[Visited]) -> None:
        what = "an ended session is served no more"
        await self.until(
            lambda: all(client.last != "served" for each in ended for client in self._clients(each)), what, TRUST + 3.0
        )  # not the bound, which `account` looks at, but the time in which the processes tell of it

    async def _nothing_was_lost(self, visited: Sequence[Visited], manager: SessionManager) -> None:
        """Of what was confirmed to the clients."""
        await self._ask()
        for each in visited:
            kept = {f"worker {number}": client.kept for number, client in enumerate(self._clients(each))}
            stored = await insist(lambda handle=each.session.handle: manager.get(handle))  # type: ignore[misc]
            assert stored is not None, "a session that was not ended is lost"
            assert all(stored.data.get(key, 0) >= times for key, times in kept.items())

    async def _ask(self) -> None:
        for worker in self.workers:
            await worker.ask()

    def _clients(self, visited: Visited) -> list[Client]:
        return [worker.clients[visited.number] for worker in self.workers]
