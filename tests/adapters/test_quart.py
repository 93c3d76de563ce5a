"""``quart.session`` is the middleware's session. The whole story runs in tests/servers/test_frameworks.py."""

from typing import Any

import httpx
import pytest
from quart import Quart, flash, get_flashed_messages, session

from asgi_session import Session, SessionMiddleware
from asgi_session.adapters.quart import ScopeSessionInterface


@pytest.fixture
def quart_app() -> Quart:
    """An application that uses ``quart.session``."""
    app = Quart(__name__)
    app.session_interface = ScopeSessionInterface()
    return app


def visitor(app: Any) -> httpx.AsyncClient:
    """A client with a cookie jar."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


def wrapped(app: Any) -> SessionMiddleware:
    """The application behind the middleware."""
    return SessionMiddleware(app, "a key for this test, long enough for it")


async def test_session_is_the_one_of_the_scope(quart_app: Quart) -> None:
    """A view gets the Session itself, with all its verbs."""

    @quart_app.get("/")
    async def index() -> dict[str, object]:
        await session.login("ada")
        return {"is_session": isinstance(session._get_current_object(), Session), "user": session.user_id}

    async with visitor(wrapped(quart_app)) as client:
        answer = await client.get("/")

    assert answer.json() == {"is_session": True, "user": "ada"}


async def test_quarts_own_helpers_use_it(quart_app: Quart) -> None:
    """``flash`` keeps its messages in the session until they are shown once."""

    @quart_app.get("/save")
    async def save() -> dict[str, str]:
        await flash("saved")
        return {}

    @quart_app.get("/shown")
    async def shown() -> list[Any]:
        return list(get_flashed_messages())

    async with visitor(wrapped(quart_app)) as client:
        await client.get("/save")
        answers = [(await client.get("/shown")).json() for _ in range(2)]

    assert answers == [["saved"], []]


async def test_quart_sends_no_cookie_of_its_own(quart_app: Quart) -> None:
    """A view that leaves the session alone causes no cookie, with Quart's secret_key set or not.

    (It may cause Vary: on Python 3.13, Quart itself looks at the session.)
    """
    quart_app.secret_key = "Quart's own"

    @quart_app.get("/")
    async def index() -> str:
        return "hello"

    async with visitor(wrapped(quart_app)) as client:
        answer = await client.get("/")

    assert "set-cookie" not in answer.headers


async def test_application_without_the_middleware_is_told_so(quart_app: Quart) -> None:
    """Forgetting the middleware is an error that names it."""
    with pytest.raises(RuntimeError, match=r"serve SessionMiddleware\(quart_app, ...\) in place of quart_app"):
        await quart_app.test_request_context("/").push()
