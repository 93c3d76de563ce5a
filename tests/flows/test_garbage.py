"""A request leaves no reference cycle behind, so that the garbage collector never shows in the slowest requests."""

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asgi_session import RateLimit, StoreUnavailable
from asgi_session.stores.memory import MemoryStore
from tests.support.asgi import exchange, http_scope
from tests.support.site import SITE, Browser, bearer, sessions, visiting
from tests.support.stores import WatchedStore
from tests.tokens.parts import SigningKey, valid_claims, verifier_of

KEY = SigningKey("ES256")


async def cycles_of(ask: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What only the garbage collector would free after a request, which has been made before."""
    for _ in range(3):
        await ask()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await ask()
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_the_test_itself_sees_a_cycle() -> None:
    """A handler that leaves one is found out."""

    def knot(scope: dict[str, Any]) -> None:
        tied: list[Any] = []
        tied.append(tied)

    async with visiting(sessions({"/": knot})) as browser:
        assert await cycles_of(lambda: exchange(browser.app, browser.scope("GET", "/")))


CASES: dict[str, Any] = {
    "anonymous": ("GET", "/read", False, []),
    "read": ("GET", "/read", True, []),
    "not touched": ("GET", "/ignore", True, []),
    "write": ("GET", "/count", True, []),
    "create": ("GET", "/count", False, []),
    "login": ("GET", "/login", True, []),
    "unsigned cookie": ("GET", "/read", False, [("cookie", "__Host-session=garbage")]),
    "cross-site": ("POST", "/read", True, [("sec-fetch-site", "cross-site")]),
    "malformed bearer": ("GET", "/read", False, [("authorization", "Bearer a b")]),
    "good token": ("GET", "/read", False, bearer(KEY.sign())),
    "bad token": ("GET", "/read", False, bearer(KEY.sign(valid_claims(aud="other")))),
}


@pytest.mark.parametrize("kind", ["memory", pytest.param("redis", marks=pytest.mark.redis)])
@pytest.mark.parametrize("case", CASES)
async def test_a_request_leaves_no_cycle(request: pytest.FixtureRequest, kind: str, case: str) -> None:
    """Accepted, anonymous, saving or refused: reference counting frees everything."""
    method, path, with_cookie, headers = CASES[case]
    store = MemoryStore() if kind == "memory" else request.getfixturevalue("redis_url")
    rules = [RateLimit("1000000/day"), RateLimit("1000000/day", key="session")]
    async with visiting(sessions(SITE, store=store, bearer=verifier_of(KEY), rate_limits=rules)) as browser:
        if with_cookie:
            await browser.get("/login")

        async def ask() -> None:
            if case == "login":
                await browser.request(method, path, headers=headers)  # the id changes each time
            else:
                await exchange(browser.app, browser.scope(method, path, headers=headers))

        assert await cycles_of(ask) == []


@pytest.mark.parametrize("step", ["load", "commit"])
async def test_an_outage_leaves_no_cycle(step: str) -> None:
    """An error that becomes a 503 does not keep its frames."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login")
        store.failures[step] = StoreUnavailable("down")
        assert await cycles_of(lambda: exchange(browser.app, browser.scope("GET", "/count"))) == []


async def test_a_quota_that_is_used_up_leaves_no_cycle() -> None:
    """A refusal at the edge."""
    async with visiting(sessions(rate_limits=[RateLimit("1/day")])) as browser:
        assert isinstance(browser, Browser)
        assert await cycles_of(lambda: exchange(browser.app, http_scope())) == []
