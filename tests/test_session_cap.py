"""The cap on a user's sessions, as an argument and through requests; what stores do with it is in their contract."""

from typing import Any

import pytest

from asgi_session import ConfigurationError, SessionCap, SessionCapReached, SessionManager
from asgi_session.stores.memory import MemoryStore
from tests.support.site import SECRET, SITE, Browser, sessions, visiting


@pytest.mark.parametrize(
    ("cap", "field"),
    [
        (SessionCap(0), "session_cap.limit"),
        (SessionCap(1001), "session_cap.limit"),
        (SessionCap(True), "session_cap.limit"),
        (SessionCap("5"), "session_cap.limit"),  # type: ignore[arg-type]
        (SessionCap(1, "evict"), "session_cap.when_full"),  # type: ignore[arg-type]
        (5, "session_cap"),
    ],
    ids=str,
)
async def test_a_wrong_cap_is_told_at_the_start(cap: Any, field: str) -> None:
    """By the argument that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        await SessionManager(SECRET, store="memory://", session_cap=cap).initialize()
    assert [problem.field for problem in caught.value.problems] == [field]


class StoreOfVisitors(MemoryStore):
    """It can't find the sessions of a user."""

    revoke_user = None  # type: ignore[assignment]


async def test_a_cap_needs_a_store_that_can_keep_it() -> None:
    """A store that would ignore it is refused at the start, not found out by an attacker."""
    with pytest.raises(ConfigurationError) as caught:
        await SessionManager(SECRET, store=StoreOfVisitors(), session_cap=SessionCap(5)).initialize()
    assert [problem.field for problem in caught.value.problems] == ["session_cap"]


@pytest.mark.security("LC-11")
async def test_the_third_browser_signs_the_first_one_out() -> None:
    """At once, also where the first one is served from the cache; a second login of one browser takes no further room."""
    app = sessions(SITE, session_cap=SessionCap(2))
    async with visiting(app) as first:
        second, third = Browser(app), Browser(app)
        for browser in (first, second, second):
            await browser.get("/login?alice")
            await browser.get("/who")
        assert [(await browser.get("/who")).json()["user"] for browser in (first, second)] == ["alice", "alice"]
        await third.get("/login?alice")
        users = [(await browser.get("/who")).json()["user"] for browser in (first, second, third)]
    assert users == [None, "alice", "alice"]


async def cautious_login(scope: Any) -> Any:
    """A handler that tells the user why it does not work."""
    try:
        await scope["session"].login("alice")
    except SessionCapReached:
        return "full"
    return "welcome"


async def test_a_handler_is_told_that_the_cap_is_reached() -> None:
    """The visitor stays a visitor, with what the session held; another user is not concerned."""
    app = sessions({**SITE, "/enter": cautious_login}, session_cap=SessionCap(1, when_full="refuse"))
    async with visiting(app) as first:
        second = Browser(app)
        await second.get("/count")
        assert [(await browser.get("/enter")).json() for browser in (first, second)] == ["welcome", "full"]
        assert (await second.get("/who")).json()["user"] is None
        assert (await second.get("/read")).json() == {"visits": 1}
        await second.get("/login?bob")
        assert (await second.get("/who")).json()["user"] == "bob"


async def test_jobs_keep_the_cap_too() -> None:
    """A manager's sessions count like all others."""
    async with SessionManager(SECRET, store="memory://", session_cap=SessionCap(1)) as manager:
        first, second = [await manager.create("ann") for _ in range(2)]
        assert [await manager.get(session.handle) is not None for session in (first, second)] == [False, True]
        assert await manager.create(None)
