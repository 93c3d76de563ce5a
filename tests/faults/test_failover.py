"""Redis with Sentinel and as a Cluster: what requests see while another server takes over."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable

import pytest

from asgi_session.ids import looks_like_credential
from tests.faults import table
from tests.faults.client import Answer, ask
from tests.faults.conftest import MakeMiddleware, new_session
from tests.faults.operations import SLACK
from tests.services.cluster import RedisCluster
from tests.services.sentinel import SentinelSetup

pytestmark = pytest.mark.alone

TAKEOVER = 20.0
"""Seconds in which another server is promoted on a busy test machine (the servers' own time-outs are 1 and 2 s)."""


async def _outcomes_until(done: "asyncio.Task[None]", request: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """What requests get, one after the other, from now until the first success after the takeover."""
    answers = []
    async with asyncio.timeout(TAKEOVER):
        while not (done.done() and answers and answers[-1].status == 200):
            answers.append(await request())
            await asyncio.sleep(0.01)
    await done
    return answers


def _check(answers: list[Answer]) -> None:
    """Only the two outcomes of the table, in its time, and never a cookie."""
    assert {answer.status for answer in answers} <= {200, 503}
    assert [answer for answer in answers if answer.header("set-cookie")] == []
    assert max(answer.seconds for answer in answers) < table.CONNECT + table.OPERATION + SLACK
    assert answers[-1].json["user"] == "ann"


class TestSentinel:
    @pytest.mark.security("AV-01", "AV-02", "ST-15")
    async def test_failover_on_request(self, sentinel: SentinelSetup, sentinel_url: str, make_middleware: MakeMiddleware) -> None:
        """The session is there on the new master, and the old one is not written to."""
        credential = await new_session(sentinel_url)
        assert await asyncio.to_thread(lambda: sentinel.master.cli.wait(1, 2000)) == 1
        middleware = make_middleware(store=sentinel_url)
        await middleware.initialize()
        takeover = asyncio.create_task(asyncio.to_thread(sentinel.failover))
        _check(await _outcomes_until(takeover, lambda: ask(middleware, "/write", cookie=credential)))

    @pytest.mark.security("AV-01", "AV-02", "ST-15")
    async def test_killed_master(self, sentinel: SentinelSetup, sentinel_url: str, make_middleware: MakeMiddleware) -> None:
        """503 until the Sentinels have promoted the replica; then the same session, without a restart."""
        credential = await new_session(sentinel_url)
        assert await asyncio.to_thread(lambda: sentinel.master.cli.wait(1, 2000)) == 1
        middleware = make_middleware(store=sentinel_url)
        await middleware.initialize()
        old = sentinel.master
        old.kill()
        assert (await ask(middleware, "/write", cookie=credential)).status == 503
        takeover = asyncio.create_task(asyncio.to_thread(sentinel.wait_promoted, old))
        _check(await _outcomes_until(takeover, lambda: ask(middleware, "/write", cookie=credential)))


class TestCluster:
    @pytest.mark.security("AV-01", "AV-02", "ST-15")
    @pytest.mark.parametrize("coverage", ["no", "yes"])
    async def test_killed_node(
        self, cluster: RedisCluster, cluster_url: str, make_middleware: MakeMiddleware, coverage: str
    ) -> None:
        """Users of this node get 503 until its replica has taken over; those of others only if the Cluster insists on all slots."""
        mine = await new_session(cluster_url, "ann")
        slot = _slot(cluster, mine)
        users = [await new_session(cluster_url, f"user-{at}") for at in range(12)]
        other = next(user for user in users if cluster.master_of(_slot(cluster, user)) is not cluster.master_of(slot))
        assert await asyncio.to_thread(lambda: cluster.master_of(slot).cli.wait(1, 2000)) == 1
        middleware = make_middleware(store=cluster_url)
        await middleware.initialize()
        with cluster.configured("cluster-require-full-coverage", coverage):
            old = cluster.kill_master(slot)
            assert (await ask(middleware, "/write", cookie=mine)).status == 503
            takeover = asyncio.create_task(asyncio.to_thread(cluster.wait_promoted, slot, old))
            others = asyncio.create_task(_outcomes_until(takeover, lambda: ask(middleware, "/write", cookie=other)))
            _check(await _outcomes_until(takeover, lambda: ask(middleware, "/write", cookie=mine)))
            unharmed = await others
        assert {answer.status for answer in unharmed} == ({200} if coverage == "no" else {200, 503})
        assert statistics.median(answer.seconds for answer in unharmed) < table.AT_ONCE + SLACK

    @pytest.mark.security("ST-15")
    async def test_failover_on_request(self, cluster: RedisCluster, cluster_url: str, make_middleware: MakeMiddleware) -> None:
        """A takeover in agreement loses no session."""
        credential = await new_session(cluster_url)
        middleware = make_middleware(store=cluster_url)
        await middleware.initialize()
        takeover = asyncio.create_task(asyncio.to_thread(cluster.failover, _slot(cluster, credential)))
        answers = await _outcomes_until(takeover, lambda: ask(middleware, "/write", cookie=credential))
        _check(answers)

    @pytest.mark.security("ST-07", "ST-15")
    async def test_slot_migration(self, cluster: RedisCluster, cluster_url: str, make_middleware: MakeMiddleware) -> None:
        """While a slot moves, and after it, every request is served: reads, writes, logins and logouts."""
        credential = await new_session(cluster_url)
        middleware = make_middleware(store=cluster_url)
        slot = _slot(cluster, credential)
        assert (await ask(middleware, "/write", cookie=credential)).status == 200
        with cluster.migrating(slot) as (source, target):
            assert (await ask(middleware, "/write", cookie=credential)).status == 200
            await asyncio.to_thread(cluster.move_keys, slot, source, target)
            assert (await ask(middleware, "/write", cookie=credential)).status == 200
            assert (await ask(middleware, "/login", cookie=credential)).json["user"] == "bob"
        fresh = await new_session(cluster_url)
        assert (await ask(middleware, "/write", cookie=fresh)).json["user"] == "ann"
        assert (await ask(middleware, "/logout", cookie=fresh)).status == 200
        assert (await ask(middleware, "/read", cookie=fresh)).json["user"] is None


def _slot(cluster: RedisCluster, credential: str) -> int:
    """Where everything of the session's user lives: the bucket at the front of the credential is the hash tag."""
    assert looks_like_credential(credential)
    return cluster.slot_of(f"{{{credential[:3]}}}")
