"""The Redis limiter on real servers: keys, trips, the server's clock, several processes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from asgi_session.exceptions import StoreError
from asgi_session.ratelimit.base import admitted
from asgi_session.ratelimit.redis import RedisRateLimiter
from asgi_session.redis import RedisClient
from tests.ratelimit.parts import look, permit
from tests.services.cluster import RedisCluster
from tests.services.redis import RedisServer

STRATEGIES = ["sliding", "moving"]
SERVICES = [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisClient]:
    """A client of the run's Redis."""
    client = RedisClient(redis_url)
    yield client
    await client.close()


@pytest.fixture
def limiter(client: RedisClient, namespace: str) -> RedisRateLimiter:
    """A limiter on the server's own clock."""
    return RedisRateLimiter(client, namespace=namespace)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_quota_comes_back_by_the_servers_clock(limiter: RedisRateLimiter, strategy: str) -> None:
    """A refused client that waits for the announced time is admitted."""
    wish = permit("2/second", strategy=strategy, cost=2)
    assert admitted(await limiter.acquire([wish]))
    [refused] = await limiter.acquire([wish])
    assert not refused.allowed
    deadline = time.monotonic() + 5
    while not admitted(await limiter.acquire([wish])):
        assert time.monotonic() < deadline
    assert refused.reset_after <= 2


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_every_key_expires(limiter: RedisRateLimiter, redis_server: RedisServer, strategy: str) -> None:
    """Each key has a time to live: never more than two windows, never none."""
    for _ in range(3):
        await limiter.acquire([permit("2/second; 9/minute", strategy=strategy, name="both"), permit("5/hour", strategy=strategy)])
    keys = redis_server.cli.keys("*")
    assert len(keys) == 2
    for key in keys:
        assert 0 < redis_server.cli.pttl(key) <= 2 * 3600 * 1000 + 1


async def test_key_is_short_and_names_nobody(limiter: RedisRateLimiter, redis_server: RedisServer, namespace: str) -> None:
    """A key is namespace, hash tag and rule; with the longest of names it stays below 200 bytes (RL-07)."""
    await limiter.acquire([permit("5/minute", name="n" * 64, partition="p" * 22)])
    [key] = redis_server.cli.keys("*")
    assert key.startswith(f"{namespace}:{{{'p' * 22}}}:l:{'n' * 64}.")
    assert len(key) <= 200 - (64 - len(namespace))


async def test_changed_limit_or_strategy_starts_anew(limiter: RedisRateLimiter) -> None:
    """A count kept under another limit or strategy is not read as one of this rule, and breaks nothing."""
    for limit, strategy in [("2/minute", "sliding"), ("3/minute", "sliding"), ("3/minute", "moving")]:
        wish = permit(limit, strategy=strategy, name="same")
        assert admitted(await limiter.acquire([wish]))
        assert (await look(limiter, [wish]))[0].remaining == int(limit[0]) - 1


async def test_three_rules_cost_one_trip_and_a_refusal_writes_nothing(limiter: RedisRateLimiter, redis_server: RedisServer) -> None:
    """Three rules are one script call; a refused call reads only."""
    wishes = [permit("3/minute", name="a"), permit("9/minute", name="b"), permit("9/hour", name="c")]
    for _ in range(3):
        await limiter.acquire(wishes)
    with redis_server.traffic() as traffic:
        assert not admitted(await limiter.acquire(wishes))
    assert traffic.commands == {"evalsha": 1, "time": 1, "get": 3}


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_large_cost(limiter: RedisRateLimiter, strategy: str) -> None:
    """A cost of thousands of units is one call, too."""
    wish = permit("10000/minute", strategy=strategy, cost=7_000)
    assert [admitted(await limiter.acquire([wish])) for _ in range(2)] == [True, False]
    assert (await look(limiter, [wish]))[0].remaining == 3_000


async def test_refused_script_is_a_store_error(limiter: RedisRateLimiter, redis_server: RedisServer, namespace: str) -> None:
    """What the server refuses arrives as the package's own error."""
    await limiter.acquire([permit("5/minute")])
    [key] = redis_server.cli.keys("*")
    redis_server.cli.delete(key)
    redis_server.cli.hset(key, "not", "ours")
    with pytest.raises(StoreError):
        await limiter.acquire([permit("5/minute")])


async def test_cluster_spreads_partitions_and_keeps_each_together(cluster: RedisCluster, cluster_url: str, namespace: str) -> None:
    """On a Cluster each partition's rules share a slot, and different partitions lie on different nodes."""
    client = RedisClient(cluster_url)
    limiter = RedisRateLimiter(client, namespace=namespace)
    wishes = [permit("5/minute", name=name, partition=f"p{number}") for number in range(12) for name in ("a", "b")]
    decisions = await limiter.acquire(wishes)
    await client.close()
    assert [decision.remaining for decision in decisions] == [4] * 24
    on_nodes = [len(node.cli.keys(f"{namespace}:*")) for node in cluster.masters]
    assert sum(on_nodes) == 24
    assert min(on_nodes) > 0


HIT_FROM_ANOTHER_PROCESS = """
import asyncio, sys, time
from asgi_session.ratelimit.base import Permit, admitted
from asgi_session.ratelimit.redis import RedisRateLimiter
from asgi_session.ratelimit.rules import RateLimit
from asgi_session.redis import RedisClient

async def main(url, namespace, limit, strategy, attempts, skew):
    real = time.time
    time.time = lambda: real() + float(skew)
    client = RedisClient(url)
    limiter = RedisRateLimiter(client, namespace=namespace)
    wish = Permit(RateLimit(limit, strategy=strategy).policy, "p")
    await limiter.acquire([wish._replace(consume=False)])
    print("ready", flush=True)
    sys.stdin.readline()
    answers = await asyncio.gather(*(limiter.acquire([wish]) for _ in range(int(attempts))))
    print(sum(map(admitted, answers)), flush=True)
    await client.close()

asyncio.run(main(*sys.argv[1:]))
"""


def admissions_of_processes(url: str, namespace: str, limit: str, strategy: str, attempts: int, skews: list[int]) -> list[int]:
    """How many requests each process was granted, when all begin at once, each with its clock that many seconds off."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HIT_FROM_ANOTHER_PROCESS, url, namespace, limit, strategy, str(attempts), str(skew)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for skew in skews
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [int(process.communicate(timeout=30)[0]) for process in processes]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "service", [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]
)
@pytest.mark.security("RL-06")
def test_rl06_four_processes_admit_exactly_the_limit(
    request: pytest.FixtureRequest, namespace: str, service: str, strategy: str
) -> None:
    """Of 200 parallel requests on four processes, a limit of five admits five in all."""
    url = request.getfixturevalue(service)
    assert sum(admissions_of_processes(url, namespace, "5/hour", strategy, 50, [0, 0, 0, 0])) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.security("RL-15")
def test_rl15_hosts_clocks_play_no_part(redis_url: str, namespace: str, strategy: str) -> None:
    """Two processes whose clocks are ten seconds apart share a window of three seconds exactly."""
    assert sum(admissions_of_processes(redis_url, namespace, "40/3 second", strategy, 60, [-5, 5])) == 40


@pytest.mark.security("RL-06")
async def test_rl06_limiters_of_one_loop_share_the_limit(redis_url: str, namespace: str) -> None:
    """Two clients of one process are as good as two processes."""
    clients = [RedisClient(redis_url) for _ in range(2)]
    limiters = [RedisRateLimiter(client, namespace=namespace) for client in clients]
    answers = await asyncio.gather(*(limiters[n % 2].acquire([permit("7/hour")]) for n in range(60)))
    assert sum(map(admitted, answers)) == 7
    for client in clients:
        await client.close()
