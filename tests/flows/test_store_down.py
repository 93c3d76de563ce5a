"""The store does not answer: the client is told so, stays signed in, and nothing pretends to have been saved."""

from typing import Any

import pytest

from asgi_session import CachePolicy, StoreError, StoreUnavailable
from tests.support.asgi import respond
from tests.support.site import SITE, Browser, bearer, pages, sessions, visiting
from tests.support.stores import WatchedStore

DOWN = StoreUnavailable("The store does not answer.", retry_after=2.2)
SITE_ALONE = pages(SITE)


def untouched(browser: Browser, cookie: str) -> bool:
    """Whether the browser still has the cookie that it had."""
    return browser.cookie == cookie


async def test_a_load_that_fails_is_neither_absent_nor_invalid() -> None:
    """503 with Retry-After and no Set-Cookie; after the outage the user is still there (design rule 1)."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        store.failures["load"] = DOWN
        response = await browser.get("/who")
        assert response.status == 503
        assert response.get("retry-after") == "3"
        assert response.get("content-type") == "application/problem+json"
        assert response.get("cache-control") == "no-store"
        assert response.all("set-cookie") == []
        assert response.json()["code"] == "unavailable"
        api = Browser(browser.app, headers=bearer(cookie.partition("=")[2]))
        assert (await api.get("/who")).status == 503
        store.failures.clear()
        assert untouched(browser, cookie)
        assert (await browser.get("/who")).json()["user"] == "alice"


async def test_requests_without_a_credential_do_not_notice() -> None:
    """Whoever presents nothing needs no store."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        store.failures["load"] = DOWN
        assert (await browser.get("/read")).json() == {}


@pytest.mark.security("AV-02", "LC-07")
async def test_a_logout_that_the_store_does_not_take_leaves_the_cookie() -> None:
    """`on_store_error="anonymous"`: nobody is told that they are out while whoever copied the cookie is still in."""
    store = WatchedStore()
    async with visiting(sessions(store=store, on_store_error="anonymous", cache=CachePolicy(enabled=False))) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        store.failures |= {"load": DOWN, "destroy": DOWN}
        response = await browser.post("/logout")
        assert (response.status, response.all("set-cookie")) == (503, [])
        del store.failures["destroy"]
        assert (await browser.post("/logout")).status == 200
        assert list(browser.jar) == []
        store.failures.clear()
        assert (await browser.request("GET", "/who", cookie=cookie)).json()["user"] is None


@pytest.mark.security("LC-01")
async def test_a_login_ends_also_the_session_that_could_not_be_loaded() -> None:
    """The old id is dead as after any other login."""
    store = WatchedStore()
    async with visiting(sessions(store=store, on_store_error="anonymous", cache=CachePolicy(enabled=False))) as browser:
        await browser.get("/login?alice")
        old = browser.cookie
        store.failures["load"] = DOWN
        assert (await browser.get("/login?bob")).status == 200
        store.failures.clear()
        assert (await browser.get("/who")).json()["user"] == "bob"
        assert (await browser.request("GET", "/who", cookie=old)).json()["user"] is None


async def test_anonymous_where_the_application_asked_for_it() -> None:
    """`on_store_error="anonymous"`: the page comes without its user, saves nothing, and the cookie is left alone."""
    store = WatchedStore()
    async with visiting(sessions(store=store, on_store_error="anonymous")) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        store.failures["load"] = DOWN
        seen = (await browser.get("/who")).json()
        assert (seen["user"], seen["reason"]) == (None, "unavailable")
        writes = store.writes
        response = await browser.get("/count")
        assert (response.status, response.all("set-cookie")) == (200, [])
        assert store.writes == writes
        api = Browser(browser.app, headers=bearer(cookie.partition("=")[2]))
        assert (await api.get("/who")).status == 503
        store.failures.clear()
        assert untouched(browser, cookie)
        assert (await browser.get("/who")).json()["user"] == "alice"


@pytest.mark.parametrize("error", [DOWN, StoreError("refused")])
async def test_a_save_that_fails_replaces_the_response(error: StoreError) -> None:
    """The client gets 503 and not a byte of the answer that assumed a saved session; its cookie is not touched."""
    store = WatchedStore()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/order":
            await SITE_ALONE(scope, receive, send)
            return
        scope["session"]["order"] = 1
        await send({"type": "http.response.start", "status": 201, "headers": [(b"set-cookie", b"theirs=1")]})
        await send({"type": "http.response.body", "body": b"thank you", "more_body": True})
        await send({"type": "http.response.body", "body": b"for your order"})

    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/count")
        cookie = browser.cookie
        store.failures["commit"] = error
        response = await browser.get("/order")
        store.failures.clear()
        assert response.status == 503
        assert [message["type"] for message in response.messages] == ["http.response.start", "http.response.body"]
        assert b"thank you" not in response.body
        assert response.all("set-cookie") == []
        assert untouched(browser, cookie)
        assert (await browser.get("/read")).json() == {"visits": 1}


async def test_a_creation_that_fails_hands_out_no_cookie() -> None:
    """Nobody gets a cookie of a session that may not exist."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        store.failures["create"] = DOWN
        response = await browser.get("/count")
        assert (response.status, response.all("set-cookie")) == (503, [])
        store.failures.clear()
        store.lost_replies["create"] = DOWN
        response = await browser.get("/count")
        assert (response.status, response.all("set-cookie")) == (503, [])


@pytest.mark.parametrize("fault", ["failures", "lost_replies"])
async def test_a_login_that_fails_logs_nobody_in(fault: str) -> None:
    """Whoever does not catch it answers 503; with the reply lost the visitor's old session may be over, but nobody is logged in."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/count")
        getattr(store, fault)["create"] = DOWN
        response = await browser.get("/login?alice")
        assert (response.status, response.all("set-cookie")) == (503, [])
        getattr(store, fault).clear()
        assert (await browser.get("/who")).json()["user"] is None


async def test_a_handler_may_shield_its_user_from_the_outage() -> None:
    """A handler that catches StoreUnavailable answers what it likes; its session is unchanged."""
    store = WatchedStore()

    async def careful(scope: dict[str, Any]) -> str:
        scope["session"]["order"] = 1
        try:
            await scope["session"].save()
        except StoreUnavailable as error:
            scope["session"].pop("order")
            return f"later: {error.retry_after}"
        return "saved"

    async with visiting(sessions({**SITE, "/careful": careful}, store=store)) as browser:
        await browser.get("/count")
        store.failures["commit"] = DOWN
        assert (await browser.get("/careful")).json() == "later: 2.2"
        store.failures.clear()
        assert (await browser.get("/read")).json() == {"visits": 1}


async def test_an_outage_after_the_response_started_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client has its answer; the loss is in the log, without the value."""
    store = WatchedStore()

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/late":
            await SITE_ALONE(scope, receive, send)
            return
        await respond(send, "done")
        scope["session"]["pin"] = "4711"

    async with visiting(sessions(late, store=store)) as browser:
        await browser.get("/count")
        store.failures["commit"] = DOWN
        assert (await browser.get("/late")).json() == "done"
    assert "is lost" in caplog.text
    assert "4711" not in caplog.text


async def test_an_error_after_the_response_started_is_the_applications() -> None:
    """Too late for a 503: what the handler did not catch reaches the server."""
    store = WatchedStore()

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/late":
            await SITE_ALONE(scope, receive, send)
            return
        await respond(send, "done")
        await scope["session"].logout()

    async with visiting(sessions(late, store=store)) as browser:
        await browser.get("/count")
        store.failures["destroy"] = DOWN
        with pytest.raises(StoreUnavailable):
            await browser.get("/late")
