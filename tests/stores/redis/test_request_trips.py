"""What whole requests cost Redis: through the middleware, around a Starlette application."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from asgi_session import FailureBudget, SessionCap, SessionManager, SessionMiddleware
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.services.redis import RedisServer
from tests.stores.redis.inside import keys
from tests.support.asgi import exchange, http_scope
from tests.support.site import COOKIE, SECRET

FORGERIES = 10_000
PROOFS_OF_LIFE = {"ping", "hello", "subscribe"}
"""What the invalidation link sends, whoever comes."""


async def read(request: Request) -> Response:
    """What the session holds."""
    return JSONResponse(dict(request.session))


async def ignore(request: Request) -> Response:
    """Nothing of it."""
    return Response("ok")


async def write(request: Request) -> Response:
    """Set a key."""
    request.session["seen"] = request.session.get("seen", 0) + 1
    return Response("ok")


async def login(request: Request) -> Response:
    """Become ann."""
    await request.session.login("ann")
    return Response("ok")


async def logout(request: Request) -> Response:
    """Be nobody."""
    await request.session.logout()
    return Response("ok")


async def regenerate(request: Request) -> Response:
    """Get a new id."""
    request.session.regenerate_id()
    return Response("ok")


APP = Starlette(routes=[Route(f"/{page.__name__}", page) for page in (read, ignore, write, login, logout, regenerate)])


def scope(page: str, credential: str | None = None):  # type: ignore[no-untyped-def]
    """A request of a browser."""
    return http_scope("GET", f"/{page}", headers=[("cookie", f"{COOKIE}={credential}")] if credential else [])


@asynccontextmanager
async def site(url: str, namespace: str, **options: object) -> AsyncIterator[tuple[SessionMiddleware, RedisStore]]:
    """The application behind the middleware, as one worker runs it; its scripts are known to the server."""
    store = RedisStore(RedisClient(url), namespace=namespace)
    middleware = SessionMiddleware(APP, SECRET, store=store, **options)  # type: ignore[arg-type]
    await middleware.initialize()
    manager = SessionManager(SECRET, store=store)
    for page in ("read", "write", "login", "regenerate", "logout"):
        session = await manager.create("warm", {"a": 1})
        await exchange(middleware, scope(page, session.credential))
    yield middleware, store
    await middleware.shutdown()


@pytest.mark.parametrize(
    ("page", "trips"),
    [("read", 1), ("ignore", 1), ("write", 2), ("login", 2), ("logout", 2), ("regenerate", 2)],
)
async def test_trips_of_a_request_with_a_session(
    redis_url: str, redis_server: RedisServer, namespace: str, page: str, trips: int
) -> None:
    """A session that this worker has not met: one trip finds it, one changes it."""
    other_process = SessionManager(SECRET, store=RedisStore(RedisClient(redis_url), namespace=namespace))
    async with site(redis_url, namespace) as (middleware, _), other_process as other:
        session = await other.create(None, {"a": 1})
        with redis_server.traffic() as seen:
            response = await exchange(middleware, scope(page, session.credential))
        assert response.status == 200
        assert (seen.commands.get("evalsha"), seen.commands.get("eval")) == (trips, None)


@pytest.mark.parametrize(
    ("page", "trips"), [("read", 0), ("ignore", 0), ("write", 1), ("login", 1), ("logout", 1), ("regenerate", 1)]
)
@pytest.mark.parametrize("cap", [None, SessionCap(3)], ids=["no cap", "cap"])
async def test_trips_of_a_request_with_a_known_session(
    redis_url: str, redis_server: RedisServer, namespace: str, page: str, trips: int, cap: SessionCap | None
) -> None:
    """A hit in the L1: nothing is asked to find it, and a change, or a login under a full cap, is one trip."""
    async with site(redis_url, namespace, session_cap=cap) as (middleware, _):
        for _ in range(3):
            await middleware.manager.create("ann")
        session = await middleware.manager.create(None, {"a": 1})
        await exchange(middleware, scope("read", session.credential))
        with redis_server.traffic() as seen:
            response = await exchange(middleware, scope(page, session.credential))
        assert response.status == 200
        assert (seen.commands.get("evalsha", 0), seen.commands.get("eval")) == (trips, None)


@pytest.mark.parametrize(
    ("page", "trips"), [("read", 0), ("ignore", 0), ("write", 1), ("login", 1), ("logout", 0), ("regenerate", 0)]
)
async def test_trips_of_a_request_without_one(
    redis_url: str, redis_server: RedisServer, namespace: str, page: str, trips: int
) -> None:
    """A visitor costs nothing until there is something to keep."""
    async with site(redis_url, namespace) as (middleware, _):
        with redis_server.traffic() as seen:
            response = await exchange(middleware, scope(page))
        assert response.status == 200
        assert seen.commands.get("evalsha", 0) == trips
        if not trips:
            assert seen.commands.keys() <= PROOFS_OF_LIFE


@pytest.mark.security("ID-14")
async def test_cookieless_requests_leave_nothing(redis_url: str, redis_server: RedisServer, namespace: str) -> None:
    """10,000 visitors who only look: no key, no command, no Set-Cookie."""
    async with site(redis_url, namespace) as (middleware, store):
        await store.client.command("FLUSHALL")
        with redis_server.traffic() as seen:
            for number in range(FORGERIES):
                response = await exchange(middleware, scope("read" if number % 2 else "ignore"))
                assert response.all("set-cookie") == []
        assert seen.commands.keys() <= PROOFS_OF_LIFE
        assert await keys(store) == set()


@pytest.mark.parametrize("budget", [None, FailureBudget("300/minute")], ids=["no budget", "budget"])
@pytest.mark.security("IN-05", "LC-02")
async def test_forged_cookies_cost_redis_nothing(
    redis_url: str, redis_server: RedisServer, namespace: str, budget: FailureBudget | None
) -> None:
    """10,000 cookies that look like ours and are not signed by us: no command, with and without a budget of failures."""
    async with site(redis_url, namespace, failed_credentials=budget) as (middleware, _):
        forged = [f"{number % 1024:03x}{secrets.token_urlsafe(32)}.{secrets.token_urlsafe(32)}" for number in range(FORGERIES)]
        with redis_server.traffic() as seen:
            statuses = {(await exchange(middleware, scope("read", cookie))).status for cookie in forged}
        assert statuses == ({200} if budget is None else {200, 429})
        assert seen.commands.keys() <= PROOFS_OF_LIFE
