"""Round trips of requests, counted by a real server (design rule 7)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from asgi_session import CachePolicy, SessionManager
from asgi_session.ids import CredentialSigner, new_session_id, store_key
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.cache.workers import Worker
from tests.services.redis import RedisServer, Traffic
from tests.support.site import SECRET

OF_THE_LINK = {"hello", "subscribe"}


def trips(seen: Traffic) -> int:
    """Scripts that were run; nothing else was asked but what the link asks."""
    assert not seen.commands.keys() & {"eval", "ping"}
    inside = {"evalsha", "time", "hgetall", "hmget", "hget", "hset", "pexpire", "exists"}
    assert seen.commands.keys() <= OF_THE_LINK | inside, seen.commands
    return seen.commands.get("evalsha", 0)


@pytest.fixture
async def worker(redis_url: str, namespace: str) -> AsyncIterator[Worker]:
    """One that is warm: connected, its link proved, the scripts known."""
    async with Worker(redis_url, namespace) as worker:
        await worker.meets(await worker.manager.create("ann"))
        yield worker


@pytest.fixture
async def other_process(redis_url: str, namespace: str) -> AsyncIterator[SessionManager]:
    """Where sessions come from that the worker has not met."""
    async with SessionManager(SECRET, store=RedisStore(RedisClient(redis_url), namespace=namespace)) as manager:
        yield manager


async def test_a_known_session_costs_no_trip(worker: Worker, redis_server: RedisServer) -> None:
    """A hundred requests, and the server has heard of none."""
    credential = await worker.meets(await worker.manager.create("ann", {"nested": {"a": [1]}}))
    with redis_server.traffic() as seen:
        for _ in range(100):
            assert (await worker.judge(credential))["data"] == {"nested": {"a": [1]}}
    assert trips(seen) == 0


async def test_a_session_that_is_met_costs_one(worker: Worker, other_process: SessionManager, redis_server: RedisServer) -> None:
    """Existence, epoch and touch included."""
    session = await other_process.create("bob")
    assert session.credential is not None
    with redis_server.traffic() as seen:
        assert (await worker.judge(session.credential))["user"] == "bob"
    assert trips(seen) == 1


@pytest.mark.security("IN-05")
async def test_a_session_that_is_gone_costs_one_for_all(worker: Worker, redis_server: RedisServer) -> None:
    """That there is none is remembered, too."""
    gone = CredentialSigner([SECRET]).sign(new_session_id("123"))
    with redis_server.traffic() as seen:
        answers = [(await worker.judge(gone))["how"] for _ in range(10)]
    assert answers == [["full", False, "absent"], *(9 * [["quick", True, "absent"]])]
    assert trips(seen) == 1


async def test_a_hundred_that_meet_it_at_once_cost_one(
    worker: Worker, other_process: SessionManager, redis_server: RedisServer
) -> None:
    """A page with a hundred images."""
    session = await other_process.create("bob")
    assert session.credential is not None
    with redis_server.traffic() as seen:
        answers = await asyncio.gather(*(worker.judge(session.credential) for _ in range(100)))
    assert {answer["user"] for answer in answers} == {"bob"}
    assert trips(seen) == 1


async def test_a_change_costs_one_and_the_next_request_another(worker: Worker, redis_server: RedisServer) -> None:
    """The entry is old after it, and loaded anew; then it is known again."""
    credential = await worker.meets(await worker.manager.create("ann"))
    with redis_server.traffic() as seen:
        await worker.get("/count", credential)
    assert seen.commands["evalsha"] == 1
    with redis_server.traffic() as seen:
        answers = [await worker.judge(credential) for _ in range(3)]
    assert [answer["data"] for answer in answers] == 3 * [{"visits": 1}]
    assert trips(seen) == 1


async def test_without_a_cache_each_request_costs_one(redis_url: str, namespace: str, redis_server: RedisServer) -> None:
    """``CachePolicy(enabled=False)``."""
    async with Worker(redis_url, namespace, cache=CachePolicy(enabled=False)) as worker:
        session = await worker.manager.create("ann")
        assert session.credential is not None
        await worker.judge(session.credential)
        with redis_server.traffic() as seen:
            for _ in range(5):
                assert (await worker.judge(session.credential))["how"] == ["full", False, "valid"]
    assert seen.commands["evalsha"] == 5


async def test_touches_travel_behind_the_requests(redis_url: str, namespace: str, redis_server: RedisServer) -> None:
    """Idle timeouts that fall due on served sessions leave together, and no request waits for them."""
    async with Worker(redis_url, namespace, idle_timeout=2.0) as worker:  # due after 0.1 s
        credentials = [await worker.meets(await worker.manager.create("ann")) for _ in range(20)]
        await worker.store.touch([store_key("known to the server from now on")])
        await asyncio.sleep(0.11)
        with redis_server.traffic() as seen:
            answers = [await worker.judge(credential) for credential in credentials for _ in range(5)]
            await worker.middleware.shutdown()
    assert {tuple(answer["how"]) for answer in answers} == {("quick", True, "valid")}
    assert seen.commands["evalsha"] == 20
    assert seen.reads <= 4


async def test_an_active_session_outlives_its_idle_timeout(redis_url: str, namespace: str) -> None:
    """Also where that is shorter than the age of an entry, and each request is served from the process."""
    async with Worker(redis_url, namespace, idle_timeout=0.5) as worker:
        credential = await worker.meets(await worker.manager.create("ann"))
        idle = await worker.meets(await worker.manager.create("bob"), user="bob")
        for _ in range(10):
            await asyncio.sleep(0.08)
            assert (await worker.judge(credential))["user"] == "ann"
        assert (await worker.judge(idle))["user"] is None
