"""Logging out: the record goes first, then the cookie, and nothing brings either back."""

from typing import Any

import pytest

from asgi_session import SessionGone, StoreUnavailable
from tests.support.asgi import Conversation, respond
from tests.support.site import SITE, Browser, bearer, cookies_named, sessions, visiting
from tests.support.stores import Gate, WatchedStore


@pytest.mark.security("LC-07")
async def test_a_replayed_cookie_is_refused(store: object) -> None:
    """After the logout the browser has no cookie, and the one that somebody copied opens nothing."""
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login?alice")
        stolen = browser.cookie
        await browser.post("/logout")
        assert len(browser.jar) == 0
        assert await browser.app.manager.list_for_user("alice") == []
        seen = (await browser.request("GET", "/who", cookie=stolen)).json()
        assert seen["user"] is None
        api = Browser(browser.app, headers=bearer(stolen.partition("=")[2]))
        assert (await api.get("/who")).status == 401


@pytest.mark.security("LC-07")
async def test_the_record_goes_before_the_cookie() -> None:
    """When the store can't end the session, the logout fails aloud and the browser keeps its cookie, so that it can try again."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        store.failures["destroy"] = StoreUnavailable("down")
        response = await browser.post("/logout")
        assert (response.status, response.all("set-cookie")) == (503, [])
        store.failures.clear()
        assert browser.cookie == cookie
        assert (await browser.get("/who")).json()["user"] == "alice"
        await browser.post("/logout")
        assert len(browser.jar) == 0


@pytest.mark.security("LC-07")
async def test_a_logout_from_another_site_is_refused(store: object) -> None:
    """A cross-site form can't log the user out: logout belongs to POST, and the CSRF check stands before it."""
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login?alice")
        response = await browser.post("/logout", headers=[("sec-fetch-site", "cross-site")])
        assert response.status == 403
        assert (await browser.get("/who")).json()["user"] == "alice"


@pytest.mark.security("LC-08")
async def test_a_request_that_was_under_way_recreates_nothing(store: object) -> None:
    """Loaded before the logout, saved after it: nothing is written, and its answer carries no cookie."""
    gate = Gate()

    async def slow(scope: dict[str, Any]) -> str:
        scope["session"]["late"] = True
        await gate.pass_through()
        return "done"

    async with visiting(sessions({**SITE, "/slow": slow}, store=store)) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        async with Conversation(browser.app, browser.scope("GET", "/slow")) as talk:
            talk.say("http.request")
            await gate.reached.wait()
            await browser.post("/logout")
            gate.opened.set()
            response = await talk.ended()
        assert response.status == 200
        assert response.all("set-cookie") == []
        assert (await browser.request("GET", "/who", cookie=cookie)).json()["user"] is None
        assert await browser.app.manager.list_for_user("alice") == []


@pytest.mark.security("LC-08")
@pytest.mark.parametrize("how", ["save", "regenerate", "login elsewhere", "empty"])
async def test_nothing_that_a_request_does_brings_an_ended_session_back(store: object, how: str) -> None:
    """save() says that it is gone; a renewal or an emptying is dropped; a login is a session of its own."""
    gate = Gate()

    async def slow(scope: dict[str, Any]) -> str:
        session = scope["session"]
        session["late"] = True
        await gate.pass_through()
        if how == "save":
            with pytest.raises(SessionGone):
                await session.save()
        elif how == "regenerate":
            session.regenerate_id()
        elif how == "empty":
            session.clear()
        else:
            await session.login("bob")
        return "done"

    async with visiting(sessions({**SITE, "/slow": slow}, store=store)) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        async with Conversation(browser.app, browser.scope("GET", "/slow")) as talk:
            talk.say("http.request")
            await gate.reached.wait()
            (hers,) = await browser.app.manager.list_for_user("alice")
            assert await browser.app.manager.destroy(hers.handle)
            gate.opened.set()
            response = await talk.ended()
        assert (await browser.request("GET", "/who", cookie=cookie)).json()["user"] is None
        assert await browser.app.manager.list_for_user("alice") == []
        announced = [line for line in cookies_named(response) if "expires=" not in line.lower()]
        assert len(announced) == (1 if how == "login elsewhere" else 0)
        assert len(await browser.app.manager.list_for_user("bob")) == (1 if how == "login elsewhere" else 0)


@pytest.mark.security("LC-17")
async def test_logging_out_twice_is_the_same_as_once(store: object) -> None:
    """In one request, in two requests, with a cookie that is dead already, and for operators: the second time changes nothing."""

    async def twice(scope: dict[str, Any]) -> str:
        await scope["session"].logout()
        await scope["session"].logout()
        return "out"

    async with visiting(sessions({**SITE, "/twice": twice}, store=store)) as browser:
        await browser.get("/login?alice")
        dead = browser.cookie
        assert (await browser.post("/twice")).status == 200
        again = await browser.request("POST", "/logout", cookie=dead)
        assert again.status == 200
        assert "expires=Thu, 01 Jan 1970" in (again.get("set-cookie") or "")
        assert (await browser.post("/logout")).all("set-cookie") == []
        manager = browser.app.manager
        stored = await manager.create("alice")
        assert await manager.revoke(stored.handle) is True
        assert await manager.revoke(stored.handle) is False
        await manager.revoke_user("alice")
        await manager.revoke_user("alice")


async def renew(scope: dict[str, Any]) -> None:
    """A change of privilege."""
    scope["session"].regenerate_id()


async def empty(scope: dict[str, Any]) -> None:
    """Starlette's way of logging out."""
    scope["session"].clear()


@pytest.mark.security("LC-07")
@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize("path", ["/logout", "/empty", "/login?bob"])
async def test_a_logout_that_a_new_id_has_overtaken(store: object, path: str, seen_before: bool) -> None:
    """The old cookie opens nothing any more, but who logs out with it, or in, ends the session under its new id."""
    async with visiting(sessions({**SITE, "/renew": renew, "/empty": empty}, store=store)) as browser:
        await browser.get("/login?alice")
        old = browser.cookie
        await browser.get("/renew")
        new = browser.cookie
        assert new != old
        if seen_before:  # this worker knows without asking that there is no such session
            assert (await browser.request("GET", "/who", cookie=old)).json()["reason"] == "absent"
        assert (await browser.request("GET", path, cookie=old)).status == 200
        assert (await browser.request("GET", "/who", cookie=new)).json()["user"] is None
        assert await browser.app.manager.list_for_user("alice") == []


@pytest.mark.security("LC-07")
async def test_a_logout_after_a_save_that_was_refused(store: object) -> None:
    """Loaded before its id was renewed by another request, refused after it: the logout ends the session nevertheless."""
    gate = Gate()

    async def slow(scope: dict[str, Any]) -> None:
        session = scope["session"]
        session["late"] = True
        await gate.pass_through()
        with pytest.raises(SessionGone):
            await session.save()
        await session.logout()

    async with visiting(sessions({**SITE, "/renew": renew, "/slow": slow}, store=store)) as browser:
        await browser.get("/login?alice")
        async with Conversation(browser.app, browser.scope("GET", "/slow")) as talk:
            talk.say("http.request")
            await gate.reached.wait()
            await browser.get("/renew")
            gate.opened.set()
            assert (await talk.ended()).status == 200
        assert (await browser.get("/who")).json()["user"] is None


@pytest.mark.security("LC-18")
async def test_the_logout_stands_although_the_rest_can_not_be_saved(store: object) -> None:
    """A handler logs out and then leaves something unstorable behind: it fails, and the session has ended nevertheless."""

    async def clumsy(scope: dict[str, Any]) -> str:
        scope["session"]["a"] = object()
        await scope["session"].logout()
        scope["session"]["b"] = object()
        return "out"

    async with visiting(sessions({**SITE, "/clumsy": clumsy}, store=store)) as browser:
        await browser.get("/login?alice")
        stolen = browser.cookie
        with pytest.raises(ValueError, match="'b'"):
            await browser.post("/clumsy")
        assert (await browser.request("GET", "/who", cookie=stolen)).json()["user"] is None
        assert await browser.app.manager.list_for_user("alice") == []


async def test_a_new_session_after_the_logout(store: object) -> None:
    """A handler that logs out and leaves a message starts a new session: another id, nothing of the old one, one cookie."""

    async def farewell(scope: dict[str, Any]) -> None:
        await scope["session"].logout()
        scope["session"]["flash"] = "Good bye"

    async with visiting(sessions({**SITE, "/farewell": farewell}, store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        old = browser.cookie
        response = await browser.get("/farewell")
        assert len(cookies_named(response)) == 1
        assert browser.cookie != old
        assert (await browser.get("/read")).json() == {"flash": "Good bye"}
        assert (await browser.get("/who")).json()["user"] is None
        assert (await browser.request("GET", "/read", cookie=old)).json() == {}


async def test_a_logout_after_the_response_started_still_ends_the_session(store: object) -> None:
    """The cookie can't be withdrawn any more, but it opens nothing."""

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/login":
            await scope["session"].login("alice")
            await respond(send)
        else:
            await respond(send)
            await scope["session"].logout()

    async with visiting(sessions(late, store=store)) as browser:
        await browser.get("/login")
        await browser.get("/")
        assert len(browser.jar) == 1
        assert await browser.app.manager.list_for_user("alice") == []
