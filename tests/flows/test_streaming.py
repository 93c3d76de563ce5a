"""Responses that take their time: what a handler changes after the first byte, and clients that don't wait for the last."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from asgi_session import SessionClosed
from tests.support.asgi import Conversation, encoded, exchange, respond
from tests.support.site import SITE, Browser, pages, sessions, visiting
from tests.support.stores import Gate, WatchedStore

START = {"type": "http.response.start", "status": 200, "headers": encoded([("content-type", "text/event-stream")])}
SITE_ALONE = pages(SITE)


def chunk(text: str, *, more: bool) -> dict[str, Any]:
    """A part of the body."""
    return {"type": "http.response.body", "body": text.encode(), "more_body": more}


async def test_a_change_made_while_streaming_is_saved_before_the_last_byte(store: object) -> None:
    """Whoever sees the end of the stream finds the change in the store."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/stream":
            await SITE_ALONE(scope, receive, send)
            return
        await send(START)
        await send(chunk("one", more=True))
        scope["session"]["heard"] = "all"
        await send(chunk("two", more=False))
        await gate.pass_through()

    gate = Gate()
    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/count")
        async with Conversation(browser.app, browser.scope("GET", "/stream")) as talk:
            talk.say("http.request")
            for _ in range(3):
                await talk.hear()
            assert (await browser.get("/read")).json() == {"visits": 1, "heard": "all"}
            gate.opened.set()
            await talk.ended()
    assert talk.response.body == b"onetwo"


async def test_events_can_be_sent_for_hours(store: object) -> None:
    """An event stream saves when it is told to, and keeps what it changed when its client leaves."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/events":
            await SITE_ALONE(scope, receive, send)
            return
        session = scope["session"]
        await send(START)
        session["seen"] = 1
        await session.save()
        await send(chunk("data: 1\n\n", more=True))
        session["seen"] = 2
        while (await receive())["type"] != "http.disconnect":
            pass

    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/count")
        async with Conversation(browser.app, browser.scope("GET", "/events")) as talk:
            talk.say("http.request")
            await talk.hear()
            await talk.hear()
            assert (await browser.get("/read")).json()["seen"] == 1
            talk.say("http.disconnect")
            await talk.ended()
        assert (await browser.get("/read")).json()["seen"] == 2


async def test_a_background_task_may_still_change_the_session(store: object) -> None:
    """What Starlette's background task puts into the session is saved when it ends."""

    async def page(request: Request) -> JSONResponse:
        async def later() -> None:
            request.session["report"] = "ready"

        return JSONResponse({}, background=BackgroundTask(later))

    async def read(request: Request) -> JSONResponse:
        request.session.setdefault("known", True)
        return JSONResponse(dict(request.session))

    app = Starlette(routes=[Route("/", page), Route("/read", read)])
    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/read")
        await browser.get("/")
        assert (await browser.get("/read")).json() == {"known": True, "report": "ready"}


async def test_starlettes_own_streaming_response_is_saved_at_its_end(store: object) -> None:
    """A generator behind StreamingResponse that changes the session between two chunks."""

    async def page(request: Request) -> StreamingResponse:
        async def lines() -> Any:
            yield "one"
            request.session["lines"] = 1
            yield "two"

        return StreamingResponse(lines())

    async def read(request: Request) -> JSONResponse:
        request.session.setdefault("known", True)
        return JSONResponse(dict(request.session))

    app = Starlette(routes=[Route("/", page), Route("/read", read)])
    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/read")
        assert (await browser.get("/")).body == b"onetwo"
        assert (await browser.get("/read")).json() == {"known": True, "lines": 1}


async def test_a_handler_that_raises_saves_nothing(store: object) -> None:
    """An exception that leaves the application leaves session and cookie as they were."""

    def broken(scope: dict[str, Any]) -> None:
        scope["session"]["half"] = "done"
        raise LookupError("a defect of the handler")

    async with visiting(sessions({**SITE, "/broken": broken}, store=store)) as browser:
        await browser.get("/count")
        with pytest.raises(LookupError):
            await browser.get("/broken")
        assert (await browser.get("/read")).json() == {"visits": 1}


@pytest.mark.security("IN-15")
async def test_a_new_session_of_a_handler_that_raises_gets_no_cookie() -> None:
    """There is nothing of it in the store, and the error page of the layer around carries no cookie for it."""

    async def broken(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["half"] = "done"
        raise LookupError("a defect of the handler")

    store = WatchedStore()
    middleware = sessions(broken, store=store)

    async def server_error(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await middleware(scope, receive, send)
        except LookupError:
            await respond(send, "error", status=500)

    response = await exchange(server_error, Browser(middleware).scope("GET", "/"))
    assert (response.status, response.all("set-cookie")) == (500, [])
    assert store.writes == 0


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_an_error_that_the_application_answers_itself_is_its_own_decision(store: object, status: int) -> None:
    """A 5xx that the handler wrote saves what it changed, for example a count of failures."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/failing":
            await SITE_ALONE(scope, receive, send)
            return
        scope["session"]["failures"] = 1
        await respond(send, status=status)

    async with visiting(sessions(app, store=store)) as browser:
        assert (await browser.get("/failing")).status == status
        assert (await browser.get("/read")).json() == {"failures": 1}


async def test_a_client_that_leaves_during_the_handler_changes_nothing(store: object) -> None:
    """The server cancels the request: what was not saved is not saved, and the session goes on."""
    gate = Gate()

    async def slow(scope: dict[str, Any]) -> None:
        scope["session"]["half"] = "done"
        await gate.pass_through()

    async with visiting(sessions({**SITE, "/slow": slow}, store=store)) as browser:
        await browser.get("/count")
        async with Conversation(browser.app, browser.scope("GET", "/slow")) as talk:
            talk.say("http.request")
            await gate.reached.wait()
            await talk.cancel()
        assert (await browser.get("/read")).json() == {"visits": 1}


@pytest.mark.parametrize("step", ["commit", "create", "regenerate", "destroy"])
async def test_a_client_that_leaves_during_the_save_does_not_stop_it(step: str) -> None:
    """The request is cancelled in the middle of a store step; the step is finished, and shutdown waits for it."""
    store = WatchedStore()

    async def change(scope: dict[str, Any]) -> None:
        session = scope["session"]
        if step == "destroy":
            await session.logout()
            return
        session["changed"] = True
        if step == "regenerate":
            session.regenerate_id()

    async with visiting(sessions({**SITE, "/change": change}, store=store)) as browser:
        if step != "create":
            await browser.get("/login?alice")
        gate = store.gates[step] = Gate()
        async with Conversation(browser.app, browser.scope("GET", "/change")) as talk:
            talk.say("http.request")
            await gate.reached.wait()
            await talk.cancel()
            assert talk.response.messages == []
        stopping = asyncio.ensure_future(browser.app.shutdown())
        await asyncio.sleep(0)
        assert not stopping.done()
        gate.opened.set()
        await stopping
        live = await browser.app.manager.list_for_user("alice")
        expected = {"create": 0, "destroy": 0}.get(step, 1)
        assert len(live) == expected
        for session in live:
            found = await browser.app.manager.get(session.handle)
            assert found is not None
            assert found.data == {"changed": True}
        assert store.holds() == (0 if step == "destroy" else 1)


async def test_a_new_session_can_not_begin_after_the_response(store: object) -> None:
    """No cookie can tell the client about it: save() says so, and the change at the end is dropped with a line in the log."""

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await respond(send)
        scope["session"]["late"] = True
        with pytest.raises(SessionClosed):
            await scope["session"].save()

    async with visiting(sessions(late, store=store)) as browser:
        assert (await browser.get("/")).all("set-cookie") == []


async def test_the_loss_of_a_late_change_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client has its answer already, so all that is left is to say it."""

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await respond(send)
        scope["session"]["late"] = True

    async with visiting(sessions(late)) as browser:
        assert (await browser.get("/")).status == 200
    assert "is lost" in caplog.text


async def test_trailing_messages_reach_the_client_as_they_are() -> None:
    """Early hints, pushes, debug messages and an unchanged start pass through untouched and in order."""
    sent = [
        {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
        {"type": "http.response.start", "status": 204, "headers": [(b"x-a", b"1")], "trailers": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
        {"type": "http.response.trailers", "headers": [(b"x-t", b"1")], "more_trailers": False},
    ]

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)

    async with visiting(sessions(app)) as browser:
        response = await exchange(browser.app, browser.scope("GET", "/"))
    assert response.messages == sent


async def test_headers_may_be_any_iterable(store: object) -> None:
    """ASGI promises an iterable, so a generator that can be read once is as good as a list."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["session"].login("alice")
        await send({"type": "http.response.start", "status": 200, "headers": (pair for pair in [(b"x-a", b"1"), (b"x-b", b"2")])})
        await send(chunk("", more=False))

    async with visiting(sessions(app, store=store)) as browser:
        response = await browser.get("/")
        names = [name for name, _ in response.start["headers"]]
    assert names[:2] == [b"x-a", b"x-b"]
    assert names.count(b"set-cookie") == 1


async def test_a_start_without_headers_is_a_start(store: object) -> None:
    """The key may be left out of the message."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["a"] = 1
        await send({"type": "http.response.start", "status": 200})
        await send(chunk("", more=False))

    async with visiting(sessions(app, store=store)) as browser:
        assert (await browser.get("/")).get("set-cookie")
