"""Each cell of the table for Redis, through the whole middleware."""

from collections.abc import Awaitable, Callable

import pytest

from asgi_session import FailureBudget, RateLimit, SessionMiddleware
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.faults import table
from tests.faults.client import Answer, ask
from tests.faults.conftest import MakeMiddleware, let_a_day_pass, new_session
from tests.faults.redis_faults import RedisRig

pytestmark = pytest.mark.redis

SLACK = 0.2
"""Seconds that a busy test machine may add to a bound."""
CONNECT_IN_TESTS = 0.2
"""`test_outage.py` has the default's test."""
FORGED = "000" + "A" * 43 + "." + "A" * 43
PATHS = {
    "anonymous": "/public",
    "commit": "/write",
    "create": "/write",
    "login": "/login",
    "logout": "/logout",
    "revoke": "/revoke",
}
BEGINS_AFTER_LOAD = {"commit", "login", "logout", "revoke"}
WITHOUT_COOKIE = {"anonymous", "create", "limit-local", "limit-open", "limit-closed"}

CELLS = [(fault, operation) for fault in table.REDIS_FAULTS for operation in table.REDIS_OPERATIONS]


@pytest.mark.security("AV-01", "AV-02", "AV-03", "RL-14", "ST-15")
@pytest.mark.parametrize(("fault", "operation"), CELLS, ids=[f"{fault.name}-{operation.name}" for fault, operation in CELLS])
async def test_cell(fault: table.Fault, operation: table.Operation, rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """The fault, injected for real, has the outcome that the table promises, in the promised time."""
    expected = table.REDIS[fault.name][operation.name]
    credential = FORGED if operation.name == "forged" else await new_session(rig.server.url)
    if operation.name == "load-due":
        await let_a_day_pass(rig.server.url)
    connect_timeout = CONNECT_IN_TESTS if fault.name == "unreachable" else table.CONNECT
    store = RedisStore(RedisClient(rig.url, connect_timeout=connect_timeout))
    middleware = make_middleware(store=store, **_arguments(operation.name))
    await middleware.initialize()
    send = _request(operation.name, middleware, credential)

    if operation.name == "revoke":
        middleware.app.other = (await middleware.manager.create("ben")).handle  # type: ignore[attr-defined]
    if operation.name in BEGINS_AFTER_LOAD:
        middleware.app.between = lambda: rig.begin(fault.name)  # type: ignore[attr-defined]
    else:
        await rig.begin(fault.name)
    answer = await send()

    assert answer.status == expected.status
    assert answer.seconds < (fault.within if expected.within is None else expected.within) + SLACK
    _check_cookie(answer, operation, expected)
    if expected.status == 503:
        assert int(answer.header("retry-after") or "") >= 1
        assert answer.json["status"] == 503
        assert answer.header("cache-control") == "no-store"
    if operation.name in ("anonymous", "forged") or expected is table.REDIS["refused"]["load-anonymous"]:
        assert answer.json["authenticated"] is False
    if expected is table.REDIS["out-of-memory"]["revoke"]:
        assert [each.is_live for each in await middleware.manager.list_for_user("ben")] == [False]
    if operation.name == "limit-local":
        assert [(await send()).status for _ in range(2)] == [200, 429]


def _arguments(operation: str) -> dict[str, object]:
    match operation.split("-"):
        case ["load", "anonymous"]:
            return {"on_store_error": "anonymous"}
        case ["limit", on_store_error]:
            rule = RateLimit("2/hour", on_store_error=on_store_error)  # type: ignore[arg-type]
            return {"rate_limits": [rule], "failed_credentials": FailureBudget("100/minute")}
    return {}


def _request(operation: str, middleware: SessionMiddleware, credential: str) -> Callable[[], Awaitable[Answer]]:
    path = PATHS.get(operation, "/read")
    if operation in WITHOUT_COOKIE:
        return lambda: ask(middleware, path)
    if operation == "load-bearer":
        return lambda: ask(middleware, path, bearer=credential)
    return lambda: ask(middleware, path, cookie=credential)


def _check_cookie(answer: Answer, operation: table.Operation, expected: table.Outcome) -> None:
    cookie = answer.header("set-cookie")
    if expected.status == 200 and operation.name in ("login", "logout"):
        assert cookie is not None
        assert ("expires=Thu, 01 Jan 1970" in cookie) == (operation.name == "logout")
    else:
        assert cookie is None
