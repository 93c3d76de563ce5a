"""What an outage costs, how it ends, and what it leaves: beside the table's single requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asgi_session import SessionMiddleware, SessionStore
from asgi_session.breaker import CircuitBreaker
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.faults import table
from tests.faults.client import Answer, ask
from tests.faults.conftest import SECRET, MakeMiddleware, new_session
from tests.faults.redis_faults import RedisRig
from tests.faults.site import Site
from tests.services.redis import RedisServer

pytestmark = [pytest.mark.redis, pytest.mark.alone]

OPENS_AFTER = 5


def _store(url: str, *, reset_after: float = 2.0, **arguments: Any) -> SessionStore:
    breaker = CircuitBreaker(OPENS_AFTER, reset_after, max(reset_after, 0.2))
    return RedisStore(RedisClient(url, breaker=breaker, **arguments))


async def _until(wanted: int, request: Callable[[], Awaitable[Answer]], seconds: float = 5.0) -> Answer:
    """Ask a recovering service until it answers as wanted."""
    async with asyncio.timeout(seconds):
        while (answer := await request()).status != wanted:
            await asyncio.sleep(0.01)
    return answer


@pytest.mark.security("AV-03", "AV-04")
@pytest.mark.parametrize("fault", ["refused", "hanging"])
async def test_an_open_breaker_answers_at_once(rig: RedisRig, make_middleware: MakeMiddleware, fault: str) -> None:
    """After five unanswered attempts nobody waits any more, and the silent server is left alone."""
    credential = await new_session(rig.server.url)
    middleware = make_middleware(store=_store(rig.url, reset_after=60.0, connect_timeout=0.1))
    await middleware.initialize()
    await rig.begin(fault)
    for _ in range(OPENS_AFTER):
        assert (await ask(middleware, "/read", cookie=credential)).status == 503

    sent, connections = rig.proxy.request_bytes, rig.proxy.connections
    answers = [await ask(middleware, "/read", cookie=credential) for _ in range(100)]
    assert {answer.status for answer in answers} == {503}
    assert int(answers[0].header("retry-after") or "") > 30
    seconds = sorted(answer.seconds for answer in answers)
    assert seconds[50] < 0.005
    assert seconds[98] < 0.05
    assert (rig.proxy.request_bytes, rig.proxy.connections) == (sent, connections)


@pytest.mark.security("AV-03")
@pytest.mark.parametrize("fault", ["hanging", "slow"])
async def test_the_deadline_holds_for_new_connections(rig: RedisRig, make_middleware: MakeMiddleware, fault: str) -> None:
    """Where even the greeting gets no answer, the request ends when the time for a connection is over."""
    credential = await new_session(rig.server.url)
    middleware = make_middleware(store=rig.url)
    await middleware.initialize()
    await rig.break_connections()
    await rig.begin(fault)
    answer = await ask(middleware, "/read", cookie=credential)
    assert answer.status == 503
    assert answer.seconds < table.CONNECT + table.OPERATION + 0.2


@pytest.mark.security("AV-02", "AV-06")
@pytest.mark.parametrize("fault", ["refused", "hanging", "paused", "black-hole", "loading", "read-only", "out-of-memory"])
async def test_service_returns_with_redis(rig: RedisRig, make_middleware: MakeMiddleware, fault: str) -> None:
    """When Redis is back, the same cookie is signed in again: no restart, no logout."""
    credential = await new_session(rig.server.url)
    middleware = make_middleware(store=_store(rig.url, reset_after=0.05))
    await middleware.initialize()
    await rig.begin(fault)
    answers = await asyncio.gather(*(ask(middleware, "/write", cookie=credential) for _ in range(20)))
    assert {answer.status for answer in answers} == {503}
    assert not any(answer.header("set-cookie") for answer in answers)

    await rig.end()
    answer = await _until(200, lambda: ask(middleware, "/write", cookie=credential))
    assert answer.json["user"] == "ann"
    assert answer.json["data"]["name"] == "value"


@pytest.mark.security("AV-06")
async def test_recovery_is_no_stampede(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """Of a thousand requests that wait for Redis to come back, one asks whether it is there."""
    credentials = [await new_session(rig.server.url) for _ in range(20)]
    middleware = make_middleware(store=_store(rig.url, reset_after=0.05, max_connections=10))
    await middleware.initialize()
    await rig.begin("refused")
    for _ in range(OPENS_AFTER):
        await ask(middleware, "/read", cookie=credentials[0])
    await rig.end()
    before = rig.proxy.connections
    await _until(200, lambda: ask(middleware, "/read", cookie=credentials[0]))
    assert rig.proxy.connections == before + 1
    answers = await asyncio.gather(*(ask(middleware, "/read", cookie=credentials[at % 20]) for at in range(1000)))
    assert {answer.status for answer in answers} == {200}
    assert rig.proxy.connections <= before + 10


@pytest.mark.security("AV-06")
async def test_a_broken_idle_connection_costs_no_request(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """A Redis (or a load balancer) that resets idle connections is not noticed by anybody."""
    credential = await new_session(rig.server.url)
    middleware = make_middleware(store=rig.url)
    await middleware.initialize()
    await rig.break_connections()
    assert (await ask(middleware, "/read", cookie=credential)).status == 200


@pytest.mark.security("AV-07")
async def test_a_thousand_requests_share_ten_connections(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """Nobody is refused for want of a connection, and each gets its own session."""
    credentials = [await new_session(rig.server.url, f"user-{at}") for at in range(50)]
    middleware = make_middleware(store=_store(rig.url, max_connections=10))
    await middleware.initialize()
    answers = await asyncio.gather(*(ask(middleware, "/write", cookie=credentials[at % 50]) for at in range(1000)))
    assert {answer.status for answer in answers} == {200}
    assert [answer.json["user"] for answer in answers] == [f"user-{at % 50}" for at in range(1000)]
    assert rig.proxy.connections <= 10


@pytest.mark.security("AV-03", "AV-07")
async def test_a_thousand_requests_on_a_hanging_redis_end_together(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """They wait side by side, not one after the other: all have their 503 after one deadline."""
    credentials = [await new_session(rig.server.url) for _ in range(20)]
    middleware = make_middleware(store=_store(rig.url, max_connections=10, reset_after=0.05))
    await middleware.initialize()
    await rig.begin("hanging")
    answers = await asyncio.gather(*(ask(middleware, "/read", cookie=credentials[at % 20]) for at in range(1000)))
    assert {answer.status for answer in answers} == {503}
    assert max(answer.seconds for answer in answers) < 1.5
    await rig.end()
    await _until(200, lambda: ask(middleware, "/read", cookie=credentials[0]))


@pytest.mark.security("AV-10")
@pytest.mark.parametrize("fault", ["refused", "hanging", "slow"])
async def test_shutdown_ends_during_an_outage(rig: RedisRig, fault: str) -> None:
    """Whatever Redis does, the shutdown takes no longer than its deadline and leaves neither task nor connection."""
    before = asyncio.all_tasks()
    credential = await new_session(rig.server.url)
    middleware = SessionMiddleware(Site(), SECRET, store=rig.url)
    await middleware.initialize()
    await rig.begin(fault)
    requests = [asyncio.create_task(ask(middleware, "/write", cookie=credential)) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await middleware.shutdown()
    assert {(await request).status for request in requests} == {503}
    left = {task for task in asyncio.all_tasks() - before if "asgi_session" in repr(task.get_coro())}
    assert not left
    if fault != "slow":  # the proxy would deliver the end late, too
        await rig.end()
        async with asyncio.timeout(5):
            while rig.proxy.open_connections:
                await asyncio.sleep(0.01)


@pytest.mark.security("AV-09")
async def test_starts_while_redis_is_down(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """A Redis that is down keeps nobody from starting; its sessions are there when it is."""
    credential = await new_session(rig.server.url)
    await rig.begin("refused")
    middleware = make_middleware(store=_store(rig.url, reset_after=0.05))
    await middleware.initialize()
    assert (await ask(middleware, "/public")).status == 200
    assert (await ask(middleware, "/read", cookie=credential)).status == 503
    await rig.end()
    await _until(200, lambda: ask(middleware, "/read", cookie=credential))


@pytest.mark.security("AV-01", "AV-02")
@pytest.mark.parametrize("persistent", [False, True], ids=["in memory", "with AOF"])
async def test_killed_and_restarted(make_middleware: MakeMiddleware, persistent: bool) -> None:
    """A Redis that kept its data signs nobody out; one that lost them makes everybody anonymous, without an error."""
    server = RedisServer(persistent=persistent).start()
    try:
        credential = await new_session(server.url)
        middleware = make_middleware(store=_store(server.url, reset_after=0.05))
        assert (await ask(middleware, "/write", cookie=credential)).json["user"] == "ann"
        server.kill()
        assert (await ask(middleware, "/write", cookie=credential)).status == 503
        server.start()
        answer = await _until(200, lambda: ask(middleware, "/read", cookie=credential))
        assert answer.json["user"] == ("ann" if persistent else None)
        assert answer.header("set-cookie") is None
    finally:
        server.stop()
