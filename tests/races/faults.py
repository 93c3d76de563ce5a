"""What happens to Redis while sessions end: each fault lasts as long as its block.

Those that the ends can't wait for (a failover by Sentinels, which forgets what the old master took meanwhile) yield who shall end
sessions: somebody who knows the new master before everybody else.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from asgi_session import SessionManager
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.cache.workers import until
from tests.races.processes import Insider
from tests.services.cluster import RedisCluster
from tests.services.fault_proxy import BLACK_HOLE, HEALTHY, FaultProxy
from tests.services.process import wait_until
from tests.services.redis import RedisServer
from tests.services.sentinel import SERVICE, SentinelSetup
from tests.support.site import SECRET


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    """The link is up."""
    yield


@asynccontextmanager
async def black_hole(proxy: FaultProxy) -> AsyncIterator[None]:
    """Nothing passes through the proxy, and nobody is told; afterwards, what was held back arrives."""
    proxy.faults = BLACK_HOLE
    try:
        yield
    finally:
        proxy.faults = HEALTHY


@asynccontextmanager
async def again_and_again(trouble: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """From the first time on; the last time comes to its end."""
    running = True

    async def go_on() -> None:
        while running:
            await trouble()

    going_on = asyncio.ensure_future(go_on())
    try:
        yield
    finally:
        running = False
        await going_on


async def pause_and_resume(server: RedisServer) -> None:
    """Frozen, and then as in a failover, with a moment in between."""
    server.pause()
    await asyncio.sleep(0.7)
    server.resume()
    await asyncio.sleep(0.5)
    await asyncio.to_thread(server.command, "CLIENT", "PAUSE", 700, "ALL")
    await asyncio.sleep(1.2)


async def break_connections(server: RedisServer) -> None:
    """All of them, those of the links too."""
    for kind in ("pubsub", "normal"):
        await asyncio.to_thread(server.command, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    await asyncio.sleep(0.2)


async def move(cluster: RedisCluster, slot: int) -> None:
    """A slot to another node, with a moment in the middle."""

    def moving() -> None:
        with cluster.migrating(slot):
            time.sleep(0.1)

    await asyncio.to_thread(moving)


@asynccontextmanager
async def handed_over(cluster: RedisCluster, slot: int) -> AsyncIterator[None]:
    """By a node to its replica, in agreement, while the block runs.

    Once: a node that is to take over again a second after it handed over counts the votes of the last time (Redis 7.0).
    """
    handing_over = asyncio.ensure_future(asyncio.to_thread(cluster.failover, slot))
    try:
        yield
    finally:
        await handing_over


@asynccontextmanager
async def relieved(sentinel: SentinelSetup, namespace: str) -> AsyncIterator[Insider]:
    """The old master lives on, and for a moment it still takes itself for the master."""
    old, new = sentinel.master, sentinel.replica
    told = told_of_another(sentinel, old)
    old.cli.wait(1, 2000)
    sentinel.sentinels[0].cli.sentinel_failover(SERVICE)
    await until(lambda: is_master(new), "the replica is promoted", seconds=20)
    try:
        async with on_the_spot(new, namespace) as manager:
            yield Insider(manager, told)
    finally:
        await told
        await asyncio.to_thread(sentinel.heal)  # until then, who believes the old one loses what he writes


@asynccontextmanager
async def killed(cluster: RedisCluster, slot: int) -> AsyncIterator[None]:
    """A node is gone, and comes back as a replica."""
    cluster.master_of(slot).cli.wait(1, 2000)
    node = cluster.kill_master(slot)
    try:
        yield
    finally:
        node.start()  # on this thread, which stays
        await asyncio.to_thread(cluster.wait_ok)


def told_of_another(sentinel: SentinelSetup, old: RedisServer) -> "asyncio.Future[float]":
    """When, from now on, the first Sentinel names another master: before, nobody who asks them can know of it."""

    def first_told() -> float:
        wait_until(lambda: any(each.named_master() != old.port for each in sentinel.sentinels), "another is named", seconds=20)
        return time.monotonic()

    return asyncio.ensure_future(asyncio.to_thread(first_told))


def is_master(server: RedisServer) -> bool:
    """Whether the server itself says so."""
    return server.answers() and bool(server.cli.info("replication")["role"] == "master")


@asynccontextmanager
async def on_the_spot(server: RedisServer, namespace: str) -> AsyncIterator[SessionManager]:
    """Somebody who is told of the new master before everybody else, and ends sessions there."""
    async with SessionManager(SECRET, store=RedisStore(RedisClient(server.url), namespace=namespace)) as manager:
        yield manager


def slot_of(cluster: RedisCluster, namespace: str, credential: str) -> int:
    """Where a session is kept."""
    return cluster.slot_of(Keys(namespace).bucket(credential[:3]))
