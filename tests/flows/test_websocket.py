"""Sockets: the handshake may set the cookie, and what changes on an open socket is saved."""

from typing import Any

import pytest

from asgi_session import RateLimit, SessionClosed, StoreUnavailable
from tests.support.asgi import Conversation, encoded, websocket_scope
from tests.support.jar import CookieJar
from tests.support.site import Browser, bearer, pages, sessions, visiting
from tests.support.stores import WatchedStore

URL = "https://app.example/"
PAGES = pages()


def socket(handler: Any) -> Any:
    """The usual pages, and `handler` for sockets."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await PAGES(scope, receive, send)
            return
        assert (await receive())["type"] == "websocket.connect"
        await handler(scope, receive, send)

    return app


async def accept(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A socket that does nothing."""
    await send({"type": "websocket.accept"})


def talk_to(browser: Browser, **parts: Any) -> Conversation:
    """A handshake with the browser's cookies, as a page of the same site opens it."""
    sent = browser.jar.header_for(URL)
    headers = [*([("cookie", sent)] if sent else []), ("origin", "https://app.example"), *parts.pop("headers", ())]
    conversation = Conversation(browser.app, websocket_scope(headers=headers, **parts))
    conversation.say("websocket.connect")
    return conversation


async def test_the_handshake_sets_the_cookie(store: object) -> None:
    """A session that begins before `accept` is saved by then, and its cookie goes out with it."""

    async def welcome(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["room"] = "blue"
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": encoded([("x-a", "1")])})

    async with visiting(sessions(socket(welcome), store=store)) as browser:
        async with talk_to(browser) as talk:
            accepted = await talk.hear()
            await talk.ended()
        assert accepted["subprotocol"] == "chat"
        jar: CookieJar = browser.jar
        (line,) = talk.response.all("set-cookie")
        assert jar.take(line, URL)
        assert talk.response.all("x-a") == ["1"]
        assert (await browser.get("/read")).json() == {"room": "blue"}


async def test_a_login_during_the_handshake(store: object) -> None:
    """The same for a login: the socket's session is the user's."""

    async def enter(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["session"].login("alice")
        await send({"type": "websocket.accept"})

    async with visiting(sessions(socket(enter), store=store)) as browser:
        async with talk_to(browser) as talk:
            await talk.ended()
        (line,) = talk.response.all("set-cookie")
        browser.jar.take(line, URL)
        assert (await browser.get("/who")).json()["user"] == "alice"


async def test_a_change_on_an_open_socket_is_saved_at_its_end(store: object) -> None:
    """Whether the server closes or the client leaves."""

    async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        message = await receive()
        scope["session"]["said"] = message.get("text", "nothing")
        if message["type"] == "websocket.receive":
            await send({"type": "websocket.close", "code": 1000})

    async with visiting(sessions(socket(chat), store=store)) as browser:
        await browser.get("/count")
        for message, said in (("websocket.receive", "hello"), ("websocket.disconnect", "nothing")):
            async with talk_to(browser) as talk:
                await talk.hear()
                talk.say(message, **({"text": said} if said == "hello" else {}))
                await talk.ended()
            assert (await browser.get("/read")).json() == {"visits": 1, "said": said}


async def test_save_while_the_socket_is_open(store: object) -> None:
    """save() does not wait for the end; each side of the socket sees what the other saved with its next load."""

    async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        scope["session"]["step"] = 1
        await scope["session"].save()
        await send({"type": "websocket.send", "text": "saved"})
        await receive()

    async with visiting(sessions(socket(chat), store=store)) as browser:
        await browser.get("/count")
        async with talk_to(browser) as talk:
            await talk.hear()
            assert (await talk.hear()) == {"type": "websocket.send", "text": "saved"}
            assert (await browser.get("/read")).json() == {"visits": 1, "step": 1}
            talk.say("websocket.disconnect")
            await talk.ended()


async def test_a_session_can_not_begin_on_an_open_socket(store: object) -> None:
    """After `accept` nobody can tell the browser about it, so save() and login() refuse."""

    async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        scope["session"]["late"] = 1
        with pytest.raises(SessionClosed):
            await scope["session"].save()
        scope["session"].clear()
        with pytest.raises(SessionClosed):
            await scope["session"].login("alice")

    async with visiting(sessions(socket(chat), store=store)) as browser, talk_to(browser) as talk:
        await talk.ended()
    assert talk.response.all("set-cookie") == []


async def test_an_application_may_refuse_the_handshake_itself(store: object) -> None:
    """`websocket.close` before `accept` passes through, and a response of its own may carry the cookie."""

    async def close(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4000})

    async def deny(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["denied"] = 1
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with visiting(sessions(socket(close), store=store)) as browser, talk_to(browser) as talk:
        assert (await talk.hear())["code"] == 4000
        await talk.ended()
    async with visiting(sessions(socket(deny), store=store)) as browser:
        async with talk_to(browser, can_answer=True) as talk:
            await talk.ended()
        (line,) = talk.response.all("set-cookie")
        assert browser.jar.take(line, URL)
        assert (await browser.get("/read")).json() == {"denied": 1}


REFUSALS = {
    "400": ({}, [("authorization", "Bearer a b")]),
    "401": ({}, bearer("0" * 46 + "." + "0" * 43)),
    "403": ({}, [("sec-fetch-site", "cross-site")]),
    "429": ({"rate_limits": [RateLimit("1/day")]}, []),
}


@pytest.mark.security("RL-18")
@pytest.mark.parametrize("status", REFUSALS)
async def test_a_handshake_is_refused_before_it_is_accepted(status: str) -> None:
    """Over the limit, cross-site, a bad bearer: with a whole response where the server can send one, else by closing."""
    options, headers = REFUSALS[status]
    async with visiting(sessions(socket(accept), **options)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser, can_answer=True, headers=headers) as talk:
            response = await talk.ended()
        assert response.messages[0]["type"] == "websocket.http.response.start"
        assert response.status == int(status)
        assert response.json()["status"] == int(status)
        assert (response.get("retry-after") is not None) == (status == "429")
        async with talk_to(browser, headers=headers) as talk:
            closed = (await talk.ended()).messages
    assert [(message["type"], message["code"]) for message in closed] == [("websocket.close", 1008)]


@pytest.mark.parametrize("can_answer", [True, False])
@pytest.mark.parametrize("step", ["load", "commit"])
async def test_an_outage_refuses_the_handshake(step: str, can_answer: bool) -> None:
    """The store is down when the session is loaded, or saved on `accept`: no socket, no cookie, and what follows is swallowed."""
    store = WatchedStore()

    async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["room"] = "blue"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "secret"})
        await send({"type": "websocket.close", "code": 1000})

    async with visiting(sessions(socket(chat), store=store)) as browser:
        await browser.get("/count")
        store.failures[step] = StoreUnavailable("down")
        async with talk_to(browser, can_answer=can_answer) as talk:
            messages = (await talk.ended()).messages
        store.failures.clear()
        assert (await browser.get("/read")).json() == {"visits": 1}
    if can_answer:
        assert talk.response.status == 503
        assert talk.response.all("set-cookie") == []
        assert [message["type"] for message in messages] == ["websocket.http.response.start", "websocket.http.response.body"]
    else:
        assert [message["type"] for message in messages] == ["websocket.close"]
