"""Another server takes over, and a session ends there: the workers that still follow the old one believe it for two seconds."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from asgi_session import StoreUnavailable
from asgi_session.cache.link import TRUST
from asgi_session.ids import parse_handle
from asgi_session.record import Changes
from asgi_session.stores.redis.keys import Keys
from asgi_session.stores.redis.link import RedisLink
from asgi_session.testing.base import key_beside
from tests.cache.workers import Worker, denial_by, seconds_until, until, workers
from tests.races.faults import is_master, on_the_spot, slot_of, told_of_another
from tests.services.cluster import RedisCluster
from tests.services.sentinel import SERVICE, SentinelSetup

pytestmark = pytest.mark.alone

HEARD_AFTER = 0.5
"""Seconds in which an old primary, on a machine that has other things to do, may not have read yet that its replica was elected."""


@pytest.mark.security("LC-09", "ST-10", "ST-15")
async def test_a_master_that_is_relieved(sentinel_url: str, sentinel: SentinelSetup, namespace: str) -> None:
    """It lives on, and for a moment it still takes itself for the master."""
    worker = Worker(sentinel_url, namespace)
    async with workers(worker):
        credential = await worker.meets(await worker.manager.create("ann"))
        old, new = sentinel.master, sentinel.replica
        told = told_of_another(sentinel, old)
        old.cli.wait(1, 2000)
        sentinel.sentinels[0].cli.sentinel_failover(SERVICE)
        await until(lambda: is_master(new), "the replica is promoted", seconds=20)
        async with on_the_spot(new, namespace) as manager:
            assert await manager.revoke(credential)
        ended = time.monotonic()
        took = await denial_by(worker, credential, pause=0.01)
        unknown = max(await told - ended, 0.0)  # until a Sentinel says so, nobody can know where sessions end
        print(f"relieved: {took:.2f} s, told after {unknown:.2f} s")
        assert took <= unknown + TRUST
        await worker.trusts(seconds=15)
        await worker.meets(await worker.manager.create("ann"))


@pytest.mark.security("LC-09", "ST-10", "ST-15")
async def test_a_master_that_was_frozen(sentinel_url: str, sentinel: SentinelSetup, namespace: str) -> None:
    """When it wakes up it knows nothing of what has happened, and nobody believes it."""
    worker = Worker(sentinel_url, namespace)
    async with workers(worker):
        sessions = [await worker.manager.create("ann") for _ in range(2)]
        credentials = [await worker.meets(session) for session in sessions]
        old = sentinel.master
        old.cli.wait(1, 2000)
        new = sentinel.replica
        old.pause()
        await until(lambda: is_master(new), "the replica is promoted", seconds=20)
        async with on_the_spot(new, namespace) as manager:
            assert await manager.revoke(credentials[0])
            took = await denial_by(worker, credentials[0], pause=0.01)
            old.resume()
            assert await manager.revoke(credentials[1])
            took = max(took, await denial_by(worker, credentials[1], pause=0.01))
        print(f"frozen: {took:.2f} s")
        assert took <= TRUST


# -- a Cluster ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_workers(url: str, namespace: str) -> AsyncIterator[tuple[Worker, Worker]]:
    """Who ends sessions, and who knows them; their log-ins are all of one user, so that they share a slot."""
    one, other = Worker(url, namespace), Worker(url, namespace)
    async with workers(one, other):
        yield one, other


async def ends(one: Worker, other: Worker, credential: str) -> float:
    """How many seconds after a session's end, which is tried until the store takes it, the last request began that was served.

    Nobody is served by a 503 either, which is all that can be said while what belongs to a session is on two nodes.
    """
    while (await one.get("/logout", credential)).status != 200:
        await asyncio.sleep(0.01)
    begin, served = time.monotonic(), 0.0

    async def is_over() -> bool:
        nonlocal served
        begun = time.monotonic()
        response = await other.get("/judged", credential)
        if is_served := response.status == 200 and response.json()["user"] is not None:
            served = begun - begin
        return not is_served

    await seconds_until(is_over, pause=0.01)
    return served


@pytest.mark.security("LC-09", "ST-15")
async def test_a_slot_that_moves(cluster_url: str, cluster: RedisCluster, namespace: str) -> None:
    """Changes and ends are seen in time at every step of the move, although some of their news are published to nobody."""
    async with two_workers(cluster_url, namespace) as (one, other):
        sessions = [await other.meets(await one.manager.create("ann")) for _ in range(5)]
        ended = list(sessions)
        changed = await other.meets(await one.manager.create("ann"))
        slot = slot_of(cluster, namespace, changed)
        visits = 0

        async def change_is_seen() -> None:
            nonlocal visits
            response = await one.get("/count", changed)
            visits += 1
            assert response.json() == visits
            changed_at = begun = time.monotonic()
            while (await other.judge(changed))["data"] != {"visits": visits}:
                assert begun <= changed_at + TRUST
                await asyncio.sleep(0.01)
                begun = time.monotonic()

        taken = []
        with cluster.migrating(slot) as (source, target):
            taken.append(await ends(one, other, sessions.pop()))
            await change_is_seen()
            cluster.move_keys(slot, source, target)
            await change_is_seen()
            taken.append(await ends(one, other, sessions.pop()))
            await asyncio.sleep(0.6)  # the nodes were asked meanwhile
            await change_is_seen()
            taken.append(await ends(one, other, sessions.pop()))
        await change_is_seen()
        taken += [await ends(one, other, credential) for credential in sessions]
        print("moving:", [f"{took:.2f} s" for took in taken])
        assert max(taken) <= TRUST
        await other.meets(await one.manager.create("ann"))
        assert [await denial_by(other, credential) for credential in ended] == 5 * [0.0]


@pytest.mark.security("LC-08", "ST-15")
async def test_a_dead_cookie_while_its_slot_moves(cluster_url: str, cluster: RedisCluster, namespace: str) -> None:
    """Whoever comes with it is nobody, and is served as such; only who is somebody may have to wait."""
    async with two_workers(cluster_url, namespace) as (one, other):
        living, dead = [await other.meets(await one.manager.create("ann")) for _ in range(2)]
        assert (await one.get("/logout", dead)).status == 200
        slot = slot_of(cluster, namespace, dead)
        with cluster.migrating(slot) as (source, target):
            before = await one.get("/judged", dead)
            cluster.move_keys(slot, source, target)
            after = await other.get("/judged", dead)
        assert [(response.status, response.json()["user"]) for response in (before, after)] == [(200, None)] * 2
        assert (await one.get("/judged", living)).json()["user"] == "ann"


@pytest.mark.security("LC-08", "LC-10", "ST-15")
async def test_a_logout_that_a_new_id_overtook_while_its_slot_moves(
    cluster_url: str, cluster: RedisCluster, namespace: str
) -> None:
    """It is told that it could not be done, never that there was nothing to do, and is done when it is repeated."""
    async with two_workers(cluster_url, namespace) as (one, _):
        session = await one.manager.create("ann")
        old = parse_handle(session.handle)
        assert old is not None
        new = key_beside(old)
        await one.store.regenerate(old, new, Changes(), user_id="ann")
        names = Keys(namespace)
        with cluster.migrating(slot_of(cluster, namespace, old.bucket)) as (source, target):
            moved = [names.session(old), names.bucket(old.bucket)]
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *moved)
            for end in (one.manager.destroy, one.manager.revoke):
                with pytest.raises(StoreUnavailable):
                    await end(session.handle)
        assert await one.store.load(new) is not None
        assert await one.manager.destroy(session.handle)
        assert await one.store.load(new) is None


@pytest.mark.security("LC-09", "ST-15")
async def test_a_node_that_hands_over(cluster_url: str, cluster: RedisCluster, namespace: str) -> None:
    """A failover in agreement: the old node goes on as a replica, and tells nothing any more."""
    async with two_workers(cluster_url, namespace) as (one, other):
        sessions = [await other.meets(await one.manager.create("ann")) for _ in range(2)]
        slot = slot_of(cluster, namespace, sessions[0])
        handing_over = asyncio.get_running_loop().run_in_executor(None, cluster.failover, slot)
        taken = [await ends(one, other, sessions[0])]
        await handing_over
        taken.append(await ends(one, other, sessions[1]))
        print("handed over:", [f"{took:.2f} s" for took in taken])
        assert max(taken) <= HEARD_AFTER + TRUST
        await other.meets(await one.manager.create("ann"))


@pytest.mark.security("LC-09", "AV-02", "ST-15")
async def test_a_node_that_is_killed(cluster_url: str, cluster: RedisCluster, namespace: str) -> None:
    """Sessions of the other nodes stay known; its own are served again when its replica has taken over."""
    async with two_workers(cluster_url, namespace) as (one, other):
        ended, kept = [await other.meets(await one.manager.create("ann")) for _ in range(2)]
        slot = slot_of(cluster, namespace, ended)
        elsewhere = await known_elsewhere(cluster, namespace, one, other, slot)
        link = other.store.link
        assert isinstance(link, RedisLink)
        lost, generation = link.lost, link.lease(elsewhere[:3]).generation
        cluster.master_of(slot).cli.wait(1, 2000)
        cluster.kill_master(slot)
        await until(lambda: link.lost > lost, "the loss is noticed", seconds=10)
        assert (await other.judge(elsewhere))["how"] == ["quick", True, "valid"]
        assert await ends(one, other, ended) <= TRUST
        while (response := await other.get("/judged", kept)).status == 503:
            await asyncio.sleep(0.01)
        assert response.json()["user"] == "ann"
        assert link.lease(elsewhere[:3]).generation == generation
        await other.meets(await one.manager.create("ann"))


async def known_elsewhere(cluster: RedisCluster, namespace: str, one: Worker, other: Worker, slot: int) -> str:
    """A session that the other worker knows, on another node than ``slot``."""
    while True:
        visitor = await one.manager.create()
        assert visitor.credential is not None
        if cluster.master_of(slot_of(cluster, namespace, visitor.credential)) is not cluster.master_of(slot):
            return await other.meets(visitor, user=None)


@pytest.mark.security("LC-09")
async def test_a_node_that_is_cut_off_from_the_others(cluster_url: str, cluster: RedisCluster, namespace: str) -> None:
    """It says of itself that it is a primary, and is not believed: where a majority is, another one may have been chosen."""
    async with Worker(cluster_url, namespace) as worker:
        credential = await worker.meets(await worker.manager.create("ann"))
        mine = cluster.master_of(slot_of(cluster, namespace, credential))
        others = [node for node in cluster.nodes if node is not mine]
        lease = worker.store.link.lease(credential[:3])
        generation = lease.generation
        for node in others:
            node.pause()
        try:
            await until(lambda: lease.generation > generation, "the node is left", seconds=10)
            assert mine.is_master
        finally:
            for node in others:
                node.resume()
        cluster.wait_ok()
        await worker.trusts(credential[:3])
