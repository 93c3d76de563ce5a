"""What becomes of a change that was refused because another request was first."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from asgi_session import SessionConflict, SessionManager
from asgi_session.stores.memory import MemoryStore
from tests.support.asgi import Response, Scope, exchange, http_scope
from tests.support.site import COOKIE, SECRET, sessions


async def handle(scope: Scope) -> Any:
    """Change two keys while another request saves one; then do with the conflict what the query says."""
    session = scope["session"]
    session["count"], session["list"] = 1, [*session["list"], 1]
    await scope["asgi_session"].manager.update(session.handle, {"count": 7})
    with pytest.raises(SessionConflict):
        await session.save(if_unchanged=True)
    match scope["query_string"]:
        case b"change more":
            session["more"] = 1
        case b"renew":
            session.regenerate_id()
        case b"renew, insist on unchanged":
            session.regenerate_id()
            with pytest.raises(SessionConflict):
                await session.save(if_unchanged=True)
        case b"insist":
            await session.save()
        case b"log in":
            await session.login("ann", keep=["count"])
        case b"leave":
            await session.logout()


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    """The sessions behind the site."""
    async with SessionManager(SECRET, store=MemoryStore()) as made:
        yield made


async def visit(manager: SessionManager, query: str) -> tuple[dict[str, Any] | None, Response]:
    """What the session holds after a request, and its response."""
    session = await manager.create(None, {"list": [0]})
    app = sessions({"/": handle}, store=manager._engine.store)
    response = await exchange(app, http_scope(query=query, headers=[("cookie", f"{COOKIE}={session.credential}")]))
    after = await manager.get(session.handle)
    return (dict(after.data) if after is not None else None), response


@pytest.mark.parametrize("query", ["", "change more"])
@pytest.mark.security("LC-13")
async def test_a_response_does_not_save_what_was_refused(manager: SessionManager, query: str) -> None:
    """Neither assigned nor nested changes slip in when the handler answers as if nothing had happened."""
    data, response = await visit(manager, query)
    assert data == {"list": [0], "count": 7}
    assert (response.status, response.all("set-cookie")) == (200, [])


@pytest.mark.parametrize("query", ["renew", "renew, insist on unchanged"])
@pytest.mark.security("LC-01", "LC-13")
async def test_a_conflict_keeps_back_no_new_id(manager: SessionManager, query: str) -> None:
    """A change of privilege renews the id, whatever became of the data; these stay the other request's."""
    session = await manager.create(None, {"list": [0]})
    app = sessions({"/": handle}, store=manager._engine.store)
    response = await exchange(app, http_scope(query=query, headers=[("cookie", f"{COOKIE}={session.credential}")]))
    (line,) = response.all("set-cookie")
    assert await manager.validate(session.credential) is None
    renewed = await manager.validate(line.partition("=")[2].partition(";")[0])
    assert renewed is not None
    assert renewed.data == {"list": [0], "count": 7}


async def test_a_handler_that_insists_overwrites(manager: SessionManager) -> None:
    """It decided to, and only the keys that it changed are written."""
    data, _ = await visit(manager, "insist")
    assert data == {"list": [0, 1], "count": 1}


@pytest.mark.parametrize("query", ["log in", "leave"])
async def test_a_conflict_stops_no_login_or_logout(manager: SessionManager, query: str) -> None:
    """They concern another session, or none."""
    data, response = await visit(manager, query)
    assert data is None
    assert len(response.all("set-cookie")) == 1
    live = await manager.list_for_user("ann")
    found = [await manager.get(session.handle) for session in live]
    assert [session.data for session in found if session is not None] == ([{"count": 1}] if query == "log in" else [])
