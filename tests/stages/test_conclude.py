"""What the application sees of an accepted request."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_session import Session, SessionManager
from tests.support.site import SITE, bearer, sessions, visiting
from tests.tokens.parts import SigningKey, valid_claims, verifier_of

KEY = SigningKey("ES256")


async def test_every_request_has_the_same_keys() -> None:
    """Anonymous or known, the scope holds session, user, auth and asgi_session; handlers need no `in`."""
    seen: list[Any] = []

    def look(scope: dict[str, Any]) -> None:
        seen.append((scope["session"], scope["user"], scope["auth"], scope["asgi_session"]))

    async with visiting(sessions({**SITE, "/look": look}, bearer=verifier_of(KEY))) as browser:
        await browser.get("/look")
        await browser.get("/count")
        await browser.get("/look")
        await browser.get("/login?alice")
        await browser.get("/look")
        await browser.get("/look", headers=bearer(KEY.sign()))
    for session, user, auth, known in seen:
        assert isinstance(session, Session)
        assert isinstance(known.manager, SessionManager)
        assert known.client_ip == "198.51.100.7"
        assert user.is_authenticated == ("authenticated" in auth.scopes)
    assert [known.credential for *_, known in seen] == ["anonymous", "cookie", "cookie", "bearer-jwt"]
    assert [session.user_id for session, *_ in seen] == [None, None, "alice", None]
    assert [session.is_new for session, *_ in seen] == [True, False, False, True]


async def test_starlettes_requires_works() -> None:
    """`@requires` for users, scopes and roles, with sessions and tokens."""

    @requires("authenticated")
    async def private(request: Request) -> JSONResponse:
        return JSONResponse(request.user.identity)

    @requires(["authenticated", "role:admin"])
    async def admin(request: Request) -> JSONResponse:
        return JSONResponse(request.user.display_name)

    async def enter(request: Request) -> JSONResponse:
        await request.session.login("alice")
        return JSONResponse("in")

    app = Starlette(routes=[Route("/private", private), Route("/admin", admin), Route("/enter", enter)])
    async with visiting(sessions(app, bearer=verifier_of(KEY))) as browser:
        assert (await browser.get("/private")).status == 403
        await browser.get("/enter")
        assert (await browser.get("/private")).json() == "alice"
        assert (await browser.get("/admin")).status == 403
        root = bearer(KEY.sign(valid_claims(realm_access={"roles": ["admin"]})))
        assert (await browser.get("/admin", headers=root)).json() == "ann"


@pytest.mark.security("PR-01")
async def test_a_session_keeps_little_of_its_client() -> None:
    """Network and kind of browser; neither the address nor the whole User-Agent stands anywhere in the store."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0 build-canary-4711"
    async with visiting(sessions(), headers=[("user-agent", agent)]) as browser:
        await browser.get("/login?alice")
        (stored,) = await browser.app.manager.list_for_user("alice")
    assert stored.metadata["network"] == "198.51.100.0/24"
    assert stored.metadata["user_agent"].startswith("Firefox ")
    assert "198.51.100.7" not in repr(stored.metadata)
    assert "canary" not in repr(stored.metadata)
