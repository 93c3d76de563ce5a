"""A takeover in which every operation of the table is done: once before another server is promoted, and once after it.

A takeover takes seconds, so all operations share one. Each has a middleware of its own, prepared before the master dies. What of it
comes before the fault (the load of a handler that changes its session, say) comes before that death; the rest is done by one
operation after the other, while the promotion is held up, or when it is over. None has a cache, which has no part in a first
sight: the links of so many, all of them looking for another server at once, would be more than one event loop has to bear.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from asgi_session import StoreUnavailable
from asgi_session.cache.policy import CachePolicy
from asgi_session.ids import user_bucket
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.faults import table
from tests.faults.client import Answer
from tests.faults.conftest import making_middlewares
from tests.faults.operations import LIMITS, Attempt, Seen, prepare
from tests.services.cluster import RedisCluster
from tests.services.sentinel import SentinelSetup

Found = dict[tuple[str, str], Seen | BaseException]
"""Name of a fault and name of an operation → what was seen."""
PATIENCE = 20.0
"""Seconds after which something that has to come has not come."""


class SentinelTakeover:
    """The master dies, and its replica is promoted by the Sentinels."""

    faults = ("failing-over", "failed-over")

    def __init__(self, setup: SentinelSetup) -> None:
        self._setup = setup

    def store(self, beside: str = "") -> RedisStore:
        """A way to the data, or to others ``beside`` them."""
        return RedisStore(RedisClient(self._setup.url), namespace=f"takeover{beside}")

    def is_spared(self, _: Answer) -> bool:
        """There is one master only."""
        return False

    async def is_known(self, _: Attempt) -> None:
        """Each new connection begins with a question to the Sentinels, so the first request is served."""

    @contextmanager
    def dead(self) -> Iterator[Callable[[], None]]:
        """The master is killed, and none is promoted within the block; yields what waits for the promotion after it."""
        old = self._setup.master
        self._setup.catch_up()
        with self._setup.no_promotion():
            old.kill()
            yield lambda: self._setup.wait_promoted(old)
            assert self._setup.master is old


class ClusterTakeover:
    """A node dies on which everything lies that the operations ask for, and its replica takes over."""

    faults = ("node-failing-over", "node-failed-over")

    def __init__(self, cluster: RedisCluster, slot: int) -> None:
        self._cluster = cluster
        self._slot = slot
        users = ("ann", "ben", "bob")
        self._namespace = next(
            name
            for name in (f"takeover-{number}" for number in range(1000))
            if all(self._lies_there(user_bucket(user, name)) for user in users)
        )

    def store(self, beside: str = "") -> RedisStore:
        """A way to the data, or to others ``beside`` them."""
        return RedisStore(RedisClient(self._cluster.url), namespace=f"{self._namespace}{beside}")

    def is_spared(self, answer: Answer) -> bool:
        """A new visitor's session may have come to another node."""
        made = re.match("session=([0-9a-f]{3})", answer.header("set-cookie") or "")
        return made is not None and not self._lies_there(made[1])

    async def is_known(self, attempt: Attempt) -> None:
        """Return when a process has learned of the promotion: the first question that it sends to the dead node tells it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await attempt.middleware.manager.get(attempt.credential)
                    return
                except StoreUnavailable:
                    await asyncio.sleep(0.01)

    @contextmanager
    def dead(self) -> Iterator[Callable[[], None]]:
        """The node is killed, and no replica takes over within the block; yields what waits for the promotion after it."""
        with self._cluster.no_promotion():
            self._cluster.master_of(self._slot).cli.wait(1, 5000)
            old = self._cluster.kill_master(self._slot)
            yield lambda: self._cluster.wait_promoted(self._slot, old)
            assert self._cluster.master_of(self._slot) is old

    def _lies_there(self, bucket: str) -> bool:
        """Whether a bucket is on the node in question."""
        return self._cluster.master_of(self._cluster.slot_of(f"{{{bucket}}}")) is self._cluster.master_of(self._slot)


class Turn:
    """An attempt that has come to where its fault begins, and waits there."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._has_come = asyncio.Event()
        self._goes_on = asyncio.Event()
        self._task = asyncio.ensure_future(attempt.run(self._wait))

    async def has_come(self) -> None:
        """Return when it waits, or has failed before."""
        coming = asyncio.ensure_future(self._has_come.wait())
        await asyncio.wait([coming, self._task], return_when=asyncio.FIRST_COMPLETED)
        coming.cancel()

    async def finish(self) -> Seen | BaseException:
        """Let it go on; what became of it."""
        self._goes_on.set()
        await asyncio.wait([self._task])
        return self._task.exception() or self._task.result()

    async def _wait(self) -> None:
        self._has_come.set()
        await self._goes_on.wait()


async def take_over(place: SentinelTakeover | ClusterTakeover) -> Found:
    """Do every operation in both halves of one takeover."""
    found: Found = {}
    operations = sorted(table.REDIS_OPERATIONS, key=lambda operation: operation.name != "load-due")  # see `prepare`
    async with making_middlewares() as making:
        make = partial(making, cache=CachePolicy(enabled=False))
        halves: dict[str, list[Turn]] = {}
        for operation in operations:
            for half in place.faults:
                counts = f"-{half}-{operation.name}" if operation.name in LIMITS else ""  # of each limit alone
                attempt = await prepare(operation, make, place.store(counts), place.store)
                attempt.is_spared = place.is_spared if operation.name == "create" else attempt.is_spared
                halves.setdefault(half, []).append(Turn(attempt))
        for turn in (*halves[place.faults[0]], *halves[place.faults[1]]):
            await turn.has_come()
        before, after = halves
        with place.dead() as wait_promoted:
            for turn in halves[before]:
                found[before, turn.attempt.operation.name] = await turn.finish()
        await asyncio.to_thread(wait_promoted)
        for turn in halves[after]:
            await place.is_known(turn.attempt)
            found[after, turn.attempt.operation.name] = await turn.finish()
    return found
