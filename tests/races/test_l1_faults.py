"""Sessions end on several real processes while something is wrong with Redis.

The clients of each process come again and again, read and write; their idle timeouts are slid behind them. Whatever happens: no
request that begins more than two seconds after the end of its session is served, no ended session comes back, none that was not
ended is lost, nobody sees what is not theirs, and nothing that was confirmed is gone (but where a replica takes over that had not
heard of it).
"""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from asgi_session import SessionManager
from asgi_session.breaker import CircuitBreaker
from asgi_session.ids import user_bucket
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.races import faults
from tests.races.processes import Trial, names, processes
from tests.services.cluster import RedisCluster
from tests.services.fault_proxy import FaultProxy
from tests.services.redis import RedisServer, started
from tests.services.sentinel import SentinelSetup
from tests.support.site import SECRET

pytestmark = [pytest.mark.server, pytest.mark.alone]


@asynccontextmanager
async def trial(
    url: str,
    namespace: str,
    *places: Sequence[str],
    bucket: str | None = None,
    options: Sequence[str] = ("--write-every", "7", "--idle", "2"),
) -> AsyncIterator[Trial]:
    """Two worker processes, each with a place of its own or the same as ours."""
    store = RedisStore(RedisClient(url), namespace=namespace)
    async with (
        SessionManager(SECRET, store=store) as manager,
        processes(namespace, *(places or 2 * [(url,)]), options=options) as workers,
    ):
        yield Trial(manager, workers, names(namespace, bucket))


@pytest.mark.security("LC-08", "LC-09", "LC-10")
async def test_the_link_is_up(redis_url: str, namespace: str) -> None:
    """As it mostly is."""
    async with trial(redis_url, namespace) as sessions:
        served = await sessions.run(faults.nothing())
    print(f"served for {1000 * served:.0f} ms")


@pytest.mark.security("AV-02", "LC-08", "LC-09", "LC-10")
async def test_the_link_is_cut(redis_url: str, redis_server: RedisServer, namespace: str) -> None:
    """And nobody is told. One process still reaches its store, the other one nothing."""
    async with FaultProxy(redis_server.port) as proxy:
        behind = f"redis://127.0.0.1:{proxy.port}"
        async with trial(redis_url, namespace, (redis_url, "--link-url", behind), (behind,)) as sessions:
            served = await sessions.run(faults.black_hole(proxy))
    print(f"served for {served:.2f} s")


@pytest.mark.security("AV-02", "LC-08", "LC-09", "LC-10")
async def test_redis_is_paused_and_goes_on(own_redis: RedisServer, namespace: str) -> None:
    """Again and again; an end is one when Redis has said so."""
    async with trial(own_redis.url, namespace) as sessions:
        served = await sessions.run(faults.again_and_again(lambda: faults.pause_and_resume(own_redis)))
    print(f"served for {served:.2f} s")


@pytest.mark.security("AV-02", "LC-08", "LC-09", "LC-10")
async def test_all_connections_break(own_redis: RedisServer, namespace: str) -> None:
    """Again and again, those of the links and of the stores, in the middle of commits and touches."""
    async with trial(own_redis.url, namespace) as sessions:
        served = await sessions.run(faults.again_and_again(lambda: faults.break_connections(own_redis)))
    print(f"served for {served:.2f} s")


@pytest.mark.security("AV-02", "LC-09", "ST-10", "ST-15")
async def test_sentinels_choose_another_master(sentinel_url: str, sentinel: SentinelSetup, namespace: str) -> None:
    """The sessions end there, while the processes still follow the old one; the two seconds begin when a Sentinel tells of it."""
    async with trial(sentinel_url, namespace) as sessions:
        served = await sessions.run(faults.relieved(sentinel, namespace), loses_writes=True)
    print(f"served for {served:.2f} s")


HEARD_AFTER = 0.5
"""Seconds: a replica that was elected tells all nodes at once; until its old primary has read that, it says it is one, and proves
what is not so. That takes milliseconds where there is a processor for each."""
BUCKET = user_bucket("ann", "test")
"""Of all sessions of a trial on a Cluster, so that the fault meets all of them."""


@pytest.fixture
def slot(cluster: RedisCluster, namespace: str) -> int:
    """Where they are kept."""
    return cluster.slot_of(Keys(namespace).bucket(BUCKET))


@pytest.mark.security("LC-08", "LC-09", "LC-10", "ST-07", "ST-15")
async def test_a_slot_moves_again_and_again(cluster_url: str, cluster: RedisCluster, slot: int, namespace: str) -> None:
    """With commits, touches, ends and loads on their way to it."""
    async with trial(cluster_url, namespace, bucket=BUCKET) as sessions:
        served = await sessions.run(faults.again_and_again(lambda: faults.move(cluster, slot)))
    print(f"served for {served:.2f} s")


@pytest.mark.security("AV-02", "LC-08", "LC-09", "LC-10", "ST-15")
async def test_a_node_hands_over(cluster_url: str, cluster: RedisCluster, slot: int, namespace: str) -> None:
    """In agreement with its replica, so that nothing is lost."""
    async with trial(cluster_url, namespace, bucket=BUCKET) as sessions:
        served = await sessions.run(faults.handed_over(cluster, slot), heard_after=HEARD_AFTER)
    print(f"served for {served:.2f} s")


@pytest.mark.security("AV-02", "LC-08", "LC-09", "ST-10", "ST-15")
async def test_a_node_is_killed(cluster_url: str, cluster: RedisCluster, slot: int, namespace: str) -> None:
    """Its sessions end when its replica has taken over."""
    async with trial(cluster_url, namespace, bucket=BUCKET) as sessions:
        served = await sessions.run(faults.killed(cluster, slot), loses_writes=True)
    print(f"served for {served:.2f} s")


LINK_IS_BACK = 3.0
"""Seconds: nothing is promised of it, but a link is tried again after a pause of 1 s at most, and proved by its first answer."""

# -- a Redis that dies --------------------------------------------------------------------------------------------------


@pytest.fixture
def durable_redis() -> Iterator[RedisServer]:
    """One that forgets nothing."""
    server = started(lambda: RedisServer(persistent=True))
    yield server
    server.stop()


@pytest.mark.security("AV-02", "AV-06")
async def test_redis_is_killed_and_comes_back_under_load(durable_redis: RedisServer, namespace: str) -> None:
    """Nobody gets another one's session or is logged out, and what was known is loaded again once by each process."""
    async with trial(durable_redis.url, namespace, options=()) as sessions:
        people, workers = await sessions.meet(40), sessions.workers
        durable_redis.kill()
        died_at = time.monotonic()
        await sessions.until(lambda: all(worker.last_unavailable > died_at + 0.5 for worker in workers), "the outage is felt")
        durable_redis.start()
        back_at = time.monotonic()
        await sessions.until(lambda: all(worker.trusted for worker in workers), "the links are back")
        trusted_after = time.monotonic() - back_at
        await sessions.are_known(people)
        loads = durable_redis.commandstats()["evalsha"]
        await sessions.account()
    last_failure = max(worker.last_unavailable for worker in workers) - back_at
    print(
        f"trusted after {trusted_after:.2f} s, last failure after {last_failure:.2f} s; {loads} loads on {len(workers)} processes"
    )
    assert trusted_after < LINK_IS_BACK
    assert last_failure < 1.25 * CircuitBreaker().reset_after + 1.0
    assert loads <= 3 * len(workers) * len(people)


# -- the account --------------------------------------------------------------------------------------------------------


async def test_the_account_notices_a_guard_that_is_missing(redis_url: str, namespace: str) -> None:
    """Processes that hear no news are found out."""
    async with trial(redis_url, namespace, options=("--cache", "Deaf")) as sessions:
        with pytest.raises(AssertionError, match="an ended session is served no more"):
            await sessions.run(faults.nothing())
