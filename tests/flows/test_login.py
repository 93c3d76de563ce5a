"""Logging in: a new id, the old one dead at once, and nothing of the visitor taken along unasked."""

from typing import Any

import pytest

from asgi_session import Lifetimes, SessionClosed, SessionError
from asgi_session.lifetimes import DAY
from tests.support.asgi import respond
from tests.support.site import SITE, Browser, bearer, cookies_named, sessions, visiting


async def sudo(scope: dict[str, Any]) -> Any:
    """A change of privilege."""
    scope["session"]["admin"] = True
    scope["session"].regenerate_id()


async def everything(scope: dict[str, Any]) -> Any:
    """Whatever makes a cookie, all at once."""
    session = scope["session"]
    session["before"] = 1
    await session.login("alice")
    session.regenerate_id()
    session["after"] = 2
    await session.login("alice")
    session.regenerate_id()
    await session.save()
    session["at last"] = 3


PLACES = {**SITE, "/sudo": sudo, "/everything": everything}


@pytest.mark.security("LC-01")
async def test_login_kills_the_old_id_at_once(store: object) -> None:
    """What the visitor's cookie was before the login opens nothing after it; the new one is the user's."""
    async with visiting(sessions(PLACES, store=store)) as browser:
        await browser.get("/count")
        before = browser.cookie
        response = await browser.get("/login?alice")
        assert len(cookies_named(response)) == 1
        assert browser.cookie != before
        assert (await browser.get("/who")).json()["user"] == "alice"
        old = (await Browser(browser.app).request("GET", "/who", cookie=before)).json()
    assert old["user"] is None
    assert old["credential"] == "anonymous"


@pytest.mark.security("LC-01")
async def test_logging_in_again_renews_the_id_and_keeps_the_data(store: object) -> None:
    """Re-authentication of the same user is a new id with everything that was there."""
    async with visiting(sessions(PLACES, store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        before = browser.cookie
        await browser.get("/login?alice")
        assert browser.cookie != before
        assert (await browser.get("/read")).json() == {"visits": 1}
        assert (await browser.request("GET", "/who", cookie=before)).json()["user"] is None


async def test_the_providers_session_is_kept_with_the_login(store: object) -> None:
    """Beside network and browser, for whoever lists a user's sessions; a login again replaces it."""

    async def login_by_provider(scope: dict[str, Any]) -> Any:
        await scope["session"].login("alice", provider_session=scope["query_string"].decode())

    async with visiting(sessions({**PLACES, "/callback": login_by_provider}, store=store)) as browser:
        seen = []
        for name in ("a52c", "b63d"):
            await browser.get(f"/callback?{name}")
            (listed,) = await browser.app.manager.list_for_user("alice")
            seen.append(listed.metadata)
    assert [known["provider_session"] for known in seen] == ["a52c", "b63d"]
    assert all(known.keys() > {"network"} for known in seen)


@pytest.mark.security("LC-01")
async def test_a_change_of_privilege_renews_the_id(store: object) -> None:
    """regenerate_id: the same session, user and creation time under a new id; the old id is dead."""
    async with visiting(sessions(PLACES, store=store)) as browser:
        await browser.get("/login?alice")
        (before,) = await browser.app.manager.list_for_user("alice")
        old = browser.cookie
        await browser.get("/sudo")
        (after,) = await browser.app.manager.list_for_user("alice")
        assert browser.cookie != old
        assert (await browser.get("/read")).json() == {"admin": True}
        assert (await browser.get("/who")).json()["user"] == "alice"
        assert (await browser.request("GET", "/read", cookie=old)).json() == {}
    assert after.handle != before.handle
    assert after.created_at == before.created_at
    assert after.expires_at - before.expires_at < 60


@pytest.mark.security("LC-14")
async def test_what_was_there_before_the_login_is_dropped(store: object) -> None:
    """A cart that somebody planted in the visitor's session does not become the user's, unless the handler names it."""

    async def enter(scope: dict[str, Any]) -> None:
        await scope["session"].login("alice", keep=["cart"])

    def plant(scope: dict[str, Any]) -> None:
        scope["session"].update(cart=["book"], is_admin=True)

    async with visiting(sessions({**PLACES, "/enter": enter, "/plant": plant}, store=store)) as browser:
        await browser.get("/plant")
        await browser.get("/enter")
        assert (await browser.get("/read")).json() == {"cart": ["book"]}
        await browser.get("/login?bob")
        assert (await browser.get("/read")).json() == {}
        assert (await browser.get("/who")).json()["user"] == "bob"


@pytest.mark.security("LC-14")
async def test_another_user_gets_nothing_of_the_one_before(store: object) -> None:
    """Whoever logs in on somebody's session starts empty, and the other one is logged out."""
    async with visiting(sessions(PLACES, store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        hers = browser.cookie
        await browser.get("/login?bob")
        assert (await browser.get("/read")).json() == {}
        assert (await browser.request("GET", "/who", cookie=hers)).json()["user"] is None
        assert await browser.app.manager.list_for_user("alice") == []


@pytest.mark.security("ID-04")
async def test_at_most_one_cookie_whatever_happens(store: object) -> None:
    """Creation, two logins, two renewals and a save in one request: one Set-Cookie, and it is the one that works."""
    async with visiting(sessions(PLACES, store=store)) as browser:
        response = await browser.get("/everything")
        assert len(response.all("set-cookie")) == 1
        assert (await browser.get("/read")).json() == {"after": 2, "at last": 3}
        assert len(await browser.app.manager.list_for_user("alice")) == 1


async def test_a_client_without_cookies_logs_in_once_and_shows_a_bearer(store: object) -> None:
    """`Session.credential` after a login is what an API client sends; it gets no cookie for it, and may log out with it."""

    async def enter(scope: dict[str, Any]) -> Any:
        await scope["session"].login("robot")
        return scope["session"].credential

    async with visiting(sessions({**PLACES, "/enter": enter}, store=store)) as browser:
        credential = (await browser.get("/enter")).json()
        client = Browser(browser.app, headers=bearer(credential))
        seen = (await client.get("/who")).json()
        assert (seen["user"], seen["credential"]) == ("robot", "bearer-session")
        assert (await client.get("/count")).all("set-cookie") == []
        assert (await client.get("/read")).json() == {"visits": 1}
        await client.get("/logout")
        assert (await client.get("/read")).status == 401


async def test_revoke_others_leaves_this_session(store: object) -> None:
    """Of a user's three sessions, the one that asks stays."""

    async def only_me(scope: dict[str, Any]) -> None:
        await scope["session"].revoke_others()

    async with visiting(sessions({**PLACES, "/only-me": only_me}, store=store)) as here:
        others = [Browser(here.app), Browser(here.app)]
        for browser in (here, *others):
            await browser.get("/login?alice")
        await here.get("/only-me")
        assert (await here.get("/who")).json()["user"] == "alice"
        for browser in others:
            assert (await browser.get("/who")).json()["user"] is None


async def test_revoke_others_needs_a_user(store: object) -> None:
    """A visitor has no other sessions."""

    async def only_me(scope: dict[str, Any]) -> Any:
        with pytest.raises(SessionError, match="logged in"):
            await scope["session"].revoke_others()

    async with visiting(sessions({"/": only_me}, store=store)) as browser:
        assert (await browser.get("/")).status == 200


async def test_a_login_that_nobody_can_be_told_about_is_refused(store: object) -> None:
    """After the response has started no cookie can be set, so login says so and logs nobody in."""
    told: list[str] = []

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await respond(send)
        with pytest.raises(SessionClosed) as refused:
            await scope["session"].login("alice")
        told.append(str(refused.value))

    async with visiting(sessions(late, store=store)) as browser:
        await browser.get("/")
        assert await browser.app.manager.list_for_user("alice") == []
    assert "response has started" in told[0]


@pytest.mark.parametrize("nobody", ["", None])
async def test_login_needs_somebody(store: object, nobody: Any) -> None:
    """An empty user id is a mistake of the handler, never a session of nobody."""

    async def enter(scope: dict[str, Any]) -> None:
        with pytest.raises(SessionError, match="user id"):
            await scope["session"].login(nobody)

    async with visiting(sessions({"/": enter}, store=store)) as browser:
        assert (await browser.get("/")).all("set-cookie") == []


async def test_a_lifetime_of_its_own(store: object) -> None:
    """`login(lifetime=…)` ends that session earlier, and the browser forgets the cookie at the same time."""

    async def briefly(scope: dict[str, Any]) -> None:
        await scope["session"].login("alice", lifetime=600)

    async with visiting(sessions({"/briefly": briefly}, store=store)) as browser:
        await browser.get("/briefly")
        (cookie,) = browser.jar
        (stored,) = await browser.app.manager.list_for_user("alice")
    assert cookie.expires == 600
    assert stored.expires_at - stored.created_at == pytest.approx(600, abs=0.01)


@pytest.mark.security("LC-03")
async def test_no_login_outlives_the_absolute_timeout(store: object) -> None:
    """A remember-me of 399 days under AAL3's 12 hours is one of 12 hours, in the store and in the browser."""

    async def remember(scope: dict[str, Any]) -> None:
        await scope["session"].login("alice", lifetime=399 * DAY)

    aal3 = Lifetimes.aal3()
    app = sessions({"/remember": remember}, store=store, idle_timeout=aal3.idle, absolute_timeout=aal3.absolute)
    async with visiting(app) as browser:
        await browser.get("/remember")
        (cookie,) = browser.jar
        (stored,) = await browser.app.manager.list_for_user("alice")
    assert cookie.expires == aal3.absolute
    assert stored.expires_at - stored.created_at == pytest.approx(aal3.absolute, abs=0.01)
