"""Somebody copied a credential, and uses it after its owner has ended it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.site import SITE, Browser, bearer, sessions, visiting


async def renew(scope: dict[str, Any]) -> None:
    """A change of privilege."""
    scope["session"].regenerate_id()


async def by_operator(browser: Browser) -> None:
    """End alice's session from outside."""
    (stored,) = await browser.app.manager.list_for_user("alice")
    await browser.app.manager.revoke(stored.handle)


ENDS: dict[str, Callable[[Browser], Awaitable[Any]]] = {
    "logout": lambda browser: browser.post("/logout"),
    "login again": lambda browser: browser.get("/login?alice"),
    "login as another": lambda browser: browser.get("/login?bob"),
    "renewal": lambda browser: browser.get("/renew"),
    "destroyed": lambda browser: browser.app.manager.destroy(browser.credential),
    "revoked": by_operator,
    "all of the user": lambda browser: browser.app.manager.revoke_user("alice"),
    "all": lambda browser: browser.app.manager.revoke_all(),
}


@pytest.mark.security("LC-01", "LC-07", "LC-10")
@pytest.mark.parametrize("end", ENDS)
async def test_a_copied_credential_dies_with_its_session(store: object, end: str) -> None:
    """As a cookie and as a bearer, for reading and for writing, once and again, although it was in use a moment ago."""
    async with visiting(sessions({**SITE, "/renew": renew}, store=store)) as owner:
        await owner.get("/login?alice")
        stolen = owner.cookie
        thief = Browser(owner.app)
        api = Browser(owner.app, headers=bearer(stolen.partition("=")[2]))
        assert (await thief.request("GET", "/who", cookie=stolen)).json()["user"] == "alice"
        await ENDS[end](owner)
        for _ in range(2):
            assert (await thief.request("GET", "/who", cookie=stolen)).json()["user"] is None
            assert (await thief.request("GET", "/read", cookie=stolen)).json() == {}
            assert (await api.get("/who")).status == 401
            assert (await api.post("/count")).status == 401
