"""A visitor whom nobody knows: leaves nothing behind until there is something to keep."""

import pytest

from tests.support.asgi import exchange, http_scope
from tests.support.site import COOKIE, Browser, cookies_named, sessions, visiting
from tests.support.stores import WatchedStore


@pytest.mark.security("ID-14")
async def test_visitors_who_change_nothing_leave_nothing_behind() -> None:
    """10,000 visitors without a cookie read their empty sessions; the store is never asked and no cookie is set."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        for path in ("/read", "/ignore", "/who"):
            response = await browser.get(path)
            assert response.all("set-cookie") == []
        for _ in range(10_000):
            await exchange(browser.app, http_scope(path="/read"))
    assert not store.calls
    assert store.holds() == 0


async def test_a_visitor_is_recognised_once_there_is_something_to_keep(store: object) -> None:
    """The first value creates the session and its cookie; later requests find it, and its cookie is not sent again."""
    async with visiting(sessions(store=store)) as browser:
        first = await browser.get("/count")
        second = await browser.get("/count")
        seen = await browser.get("/read")
    assert len(cookies_named(first)) == 1
    assert second.all("set-cookie") == []
    assert seen.json() == {"visits": 2}


async def test_two_visitors_have_two_sessions(store: object) -> None:
    """What one browser keeps is not there for the other."""
    async with visiting(sessions(store=store)) as one:
        other = Browser(one.app)
        await one.get("/count")
        assert (await other.get("/read")).json() == {}
        assert (await one.get("/read")).json() == {"visits": 1}


async def test_reads_are_reads() -> None:
    """A request that changes nothing writes nothing, sets no cookie, and still may read (design rule 8)."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/count")
        writes = store.writes
        for path in ("/read", "/ignore", "/who") * 10:
            assert (await browser.get(path)).all("set-cookie") == []
    assert store.writes == writes


async def test_assigning_what_was_there_already_writes_nothing() -> None:
    """A handler that assigns an equal value has changed nothing."""

    def same(scope: dict[str, object]) -> None:
        scope["session"]["visits"] = 1  # type: ignore[index]

    store = WatchedStore()
    async with visiting(sessions({"/same": same}, store=store)) as browser:
        await browser.get("/same")
        assert store.writes == 1
        response = await browser.get("/same")
    assert store.writes == 1
    assert response.all("set-cookie") == []


async def test_a_session_that_is_emptied_again_never_was(store: object) -> None:
    """A value that is gone before the response starts makes neither a record nor a cookie."""

    def come_and_go(scope: dict[str, object]) -> None:
        session = scope["session"]
        session["draft"] = 1  # type: ignore[index]
        del session["draft"]  # type: ignore[attr-defined]

    async with visiting(sessions({"/": come_and_go}, store=store)) as browser:
        assert (await browser.get("/")).all("set-cookie") == []


async def test_without_a_lifespan_the_first_request_starts_everything(store: object) -> None:
    """Where the server sends no lifespan, sessions work from the first request on."""
    app = sessions(store=store)
    browser = Browser(app)
    try:
        await browser.get("/count")
        assert (await browser.get("/read")).json() == {"visits": 1}
    finally:
        await app.shutdown()


async def test_the_cookie_of_a_local_developer_needs_no_tls(store: object) -> None:
    """On plain http to localhost the cookie goes without Secure and prefix, so that a browser keeps it."""
    async with visiting(sessions(store=store), scheme="http", host="localhost:8000") as browser:
        await browser.get("/count")
        assert browser.cookie.startswith("session=")
        assert (await browser.get("/read")).json() == {"visits": 1}
        assert COOKIE not in browser.cookie
