"""What a response says about the session: Vary, Cache-Control and at most one cookie."""

import json
from collections.abc import Callable
from typing import Any

import pydantic_core
import pytest
from starlette.authentication import has_required_scope
from starlette.requests import HTTPConnection

from asgi_session import SessionValueError
from tests.support.asgi import respond
from tests.support.site import COOKIE, sessions, visiting

ACCESSORS: dict[str, Callable[[Any], Any]] = {
    "[]": lambda session: session.setdefault("visits", 0) and session["visits"],
    "get": lambda session: session.get("nothing"),
    "in": lambda session: "nothing" in session,
    "len": len,
    "bool": bool,
    "iter": list,
    "reversed": lambda session: list(reversed(session)),
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
    "==": lambda session: session == {},
    "!=": lambda session: session != {},
    "repr": repr,
    "copy": lambda session: session.copy(),
    "dict": dict,
    "**": lambda session: {**session},
    "|": lambda session: session | {},
    "{} |": lambda session: {} | session,
    "pop": lambda session: session.pop("nothing", None),
    "setdefault": lambda session: session.setdefault("visits", 1),
    "is_new": lambda session: session.is_new,
    "user_id": lambda session: session.user_id,
    "handle": lambda session: session.handle,
    "created_at": lambda session: session.created_at,
    "last_seen_at": lambda session: session.last_seen_at,
    "expires_at": lambda session: session.expires_at,
    "credential": lambda session: session.credential,
    "mark_accessed": lambda session: session.mark_accessed(),
}


@pytest.mark.security("ID-12")
@pytest.mark.parametrize("status", [200, 304, 404, 500])
@pytest.mark.parametrize("accessor", ACCESSORS)
async def test_whoever_reads_the_session_varies_by_the_cookie(accessor: str, status: int) -> None:
    """Each way of looking, on a session that is empty, invalid, alive or a user's, on success and on errors."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/login":
            await scope["session"].login("alice")
        elif scope["path"] == "/look":
            ACCESSORS[accessor](scope["session"])
            await respond(send, status=status)
            return
        else:
            scope["session"]["visits"] = 1
        await respond(send)

    async with visiting(sessions(app)) as browser:
        assert "cookie" in (await browser.get("/look")).varies_by()
        for cookie in (f"{COOKIE}=garbage", f"{COOKIE}=a; {COOKIE}=b"):
            assert "cookie" in (await browser.request("GET", "/look", cookie=cookie)).varies_by()
        for path in ("/fill", "/login"):
            await browser.get(path)
            assert "cookie" in (await browser.get("/look")).varies_by()


LOOKS: dict[str, Callable[[Any], Any]] = {
    "is_authenticated": lambda scope: scope["user"].is_authenticated,
    "display_name": lambda scope: scope["user"].display_name,
    "identity": lambda scope: scope["user"].identity,
    "scopes": lambda scope: scope["auth"].scopes,
    "requires": lambda scope: has_required_scope(HTTPConnection(scope), ["authenticated"]),
}


@pytest.mark.security("ID-12")
@pytest.mark.parametrize("look", LOOKS)
async def test_whoever_asks_for_the_user_varies_by_the_cookie(look: str) -> None:
    """A page for strangers is another one for users: a shared cache must not give either to the other."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/login":
            await scope["session"].login("alice")
        elif scope["path"] == "/fill":
            scope["session"]["visits"] = 1
        else:
            LOOKS[look](scope)
        await respond(send, headers=[("cache-control", "public, max-age=60")])

    async with visiting(sessions(app)) as browser:
        assert (await browser.get("/look")).varies_by() == {"cookie"}
        for cookie in (f"{COOKIE}=garbage", f"{COOKIE}=a; {COOKIE}=b"):
            assert (await browser.request("GET", "/look", cookie=cookie)).varies_by() == {"cookie"}
        for path in ("/fill", "/login"):
            await browser.get(path)
            assert (await browser.get("/look")).varies_by() == {"cookie"}
        await browser.app.manager.revoke_user("alice")
        for reason in ("absent", "absent before"):
            assert (await browser.get("/look")).varies_by() == {"cookie"}, reason


@pytest.mark.security("ID-12")
async def test_a_session_that_ended_meanwhile_may_have_been_read() -> None:
    """What a page says of it is personal still, although there is no record any more when the response starts."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        session = scope["session"]
        if scope["path"] == "/login":
            await session.login("alice")
            await respond(send)
            return
        name = scope["user"].identity
        await scope["asgi_session"].manager.revoke(session.handle)
        session["late"] = True
        session.accessed = False
        await respond(send, name)

    async with visiting(sessions(app)) as browser:
        await browser.get("/login")
        response = await browser.get("/")
    assert response.json() == "alice"
    assert response.varies_by() == {"cookie"}
    assert response.get("cache-control") == "no-store"


@pytest.mark.security("ID-12")
async def test_encoders_in_c_are_readers_where_starlette_hands_out_the_session() -> None:
    """They take what is in a dictionary without a method of ours, but `request.session` has said by then that it is looked at."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/fill":
            scope["session"]["cart"] = "hers"
        await respond(send, pydantic_core.to_json(HTTPConnection(scope).session).decode())

    async with visiting(sessions(app)) as browser:
        await browser.get("/fill")
        response = await browser.get("/")
    assert response.json() == '{"cart":"hers"}'
    assert response.varies_by() == {"cookie"}


@pytest.mark.security("ID-12")
async def test_encoders_are_readers_too() -> None:
    """`json.dumps(session)`, which does not go through a method of ours unless there is something in it."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/fill":
            scope["session"]["a"] = 1
        text = json.dumps(scope["session"])
        await respond(send, text)

    async with visiting(sessions(app)) as browser:
        await browser.get("/fill")
        response = await browser.get("/")
    assert response.json() == '{"a": 1}'
    assert response.varies_by() == {"cookie"}


@pytest.mark.security("ID-12")
async def test_a_users_page_varies_by_the_cookie_in_any_case() -> None:
    """A handler may have looked at `scope["user"]` alone, and set a Cache-Control of its own."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/login":
            await scope["session"].login("alice")
        await respond(send, scope["user"].is_authenticated, headers=[("cache-control", "public, max-age=60")])

    async with visiting(sessions(app)) as browser:
        await browser.get("/login")
        response = await browser.get("/")
    assert response.json() is True
    assert response.varies_by() == {"cookie"}
    assert response.get("cache-control") == "public, max-age=60"


async def test_whoever_does_not_look_does_not_vary() -> None:
    """A page that is the same for all strangers stays cacheable, whatever cookie they come with."""
    async with visiting(sessions()) as browser:
        assert (await browser.get("/ignore")).start.get("headers") == []
        await browser.get("/count")
        assert (await browser.get("/ignore")).start.get("headers") == []
        assert (await browser.request("GET", "/ignore", cookie=f"{COOKIE}=garbage")).start.get("headers") == []


VARIES = [
    ([], {"cookie"}),
    (["Accept"], {"accept", "cookie"}),
    (["Accept, Origin"], {"accept", "origin", "cookie"}),
    (["Accept", "Origin"], {"accept", "origin", "cookie"}),
    (["cookie"], {"cookie"}),
    (["Accept,COOKIE"], {"accept", "cookie"}),
    (["*"], {"*"}),
    ([""], {"cookie"}),
]


@pytest.mark.security("ID-12")
@pytest.mark.parametrize(("theirs", "names"), VARIES)
async def test_the_applications_own_vary_is_kept(theirs: list[str], names: set[str]) -> None:
    """Ours is added to it, once."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        len(scope["session"])
        await respond(send, headers=[("vary", value) for value in theirs])

    async with visiting(sessions(app)) as browser:
        response = await browser.get("/")
    assert response.varies_by() == names
    assert len(response.all("vary")) == max(1, len(theirs))
    assert sum(line.lower().count("cookie") for line in response.all("vary")) == (0 if theirs == ["*"] else 1)


@pytest.mark.security("ID-13")
async def test_what_is_personal_is_not_stored() -> None:
    """Set-Cookie, or a user: `no-store`, unless the application set its own; a visitor's read has neither."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/login":
            await scope["session"].login("alice")
        if scope["path"] in ("/fill", "/fill-private"):
            scope["session"]["a"] = scope["path"]
        own = [("cache-control", "private")] if scope["path"].endswith("private") else []
        await respond(send, dict(scope["session"]), headers=own)

    async with visiting(sessions(app)) as browser:
        assert (await browser.get("/read")).get("cache-control") is None
        assert (await browser.get("/fill")).get("cache-control") == "no-store"
        assert (await browser.get("/fill-private")).get("cache-control") == "private"
        assert (await browser.get("/read")).get("cache-control") is None
        assert (await browser.get("/login")).get("cache-control") == "no-store"
        assert (await browser.get("/read")).get("cache-control") == "no-store"
        assert (await browser.get("/private")).get("cache-control") == "private"


@pytest.mark.security("ID-04")
async def test_the_applications_own_cookies_stay() -> None:
    """Ours comes beside them."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["a"] = 1
        await respond(send, headers=[("set-cookie", "theirs=1; path=/"), ("x-a", "1")])

    async with visiting(sessions(app)) as browser:
        lines = (await browser.get("/")).all("set-cookie")
    assert lines[0] == "theirs=1; path=/"
    assert [line.partition("=")[0] for line in lines] == ["theirs", COOKIE]


@pytest.mark.parametrize("when", ["before", "nested before"])
async def test_a_value_that_can_not_be_stored_is_the_handlers_error(when: str) -> None:
    """It is raised where the response starts, names the key, and nothing was sent or saved."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        session = scope["session"]
        if scope["path"] == "/fill":
            session["cart"] = {"items": []}
        elif when == "before":
            session["cart"] = object()
        else:
            session["cart"]["items"].append(object())
        with pytest.raises(SessionValueError, match="'cart'") if scope["path"] == "/spoil" else _no_error():
            await respond(send, "fine")
        if scope["path"] == "/spoil":
            raise LookupError

    async with visiting(sessions(app)) as browser:
        await browser.get("/fill")
        with pytest.raises(LookupError):
            await browser.get("/spoil")


class _no_error:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("nested", [False, True])
async def test_a_late_value_that_can_not_be_stored_is_logged(nested: bool, caplog: pytest.LogCaptureFixture) -> None:
    """After the response the client can't be told any more; the log names the key, and the request ends in order."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        session = scope["session"]
        if scope["path"] == "/fill":
            session["cart"] = {"items": []}
            await respond(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if nested:
            session["cart"]["items"].append(object())
        else:
            session["cart"] = object()
        await send({"type": "http.response.body", "body": b"two"})

    async with visiting(sessions(app)) as browser:
        await browser.get("/fill")
        response = await browser.get("/spoil")
    assert response.body == b"onetwo"
    assert "'cart'" in caplog.text
    assert "object at" not in caplog.text


def test_the_accessors_cover_the_dictionary() -> None:
    """Every method of a dict that reads is among the accessors above; a new one in a later Python would be missing here."""
    writes = {"__setitem__", "__delitem__", "clear", "popitem", "update", "__ior__"}
    reads = {
        "__getitem__", "get", "__contains__", "__len__", "__iter__", "__reversed__", "keys", "values", "items", "__eq__", "__ne__",
        "__repr__", "copy", "__or__", "__ror__", "pop", "setdefault",
    }  # fmt: skip
    plumbing = {
        "__class_getitem__", "__getattribute__", "__init__", "__new__", "__sizeof__", "__hash__", "__doc__", "fromkeys",
        "__lt__", "__le__", "__gt__", "__ge__",
    }  # fmt: skip
    assert set(vars(dict)) - plumbing == reads | writes
