"""A socket ends with its session, whatever its application is doing; and it ends with nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asgi_session import SessionGone, StoreUnavailable
from asgi_session.stages import guard
from asgi_session.stages.guard import SocketEnded
from tests.support.asgi import Conversation, http_scope, websocket_scope
from tests.support.backends import EVERY_STORE, store_named
from tests.support.clock import StoppedClock
from tests.support.site import Browser, bearer, pages, sessions, visiting
from tests.support.stores import WatchedStore
from tests.tokens.parts import NOW, SigningKey, valid_claims, verifier_of

CLOSED = {"type": "websocket.close", "code": 1008, "reason": "session ended"}
LEFT = {"type": "websocket.disconnect", "code": 1008, "reason": "session ended"}
PAGES = pages()

Handler = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


@pytest.fixture(params=EVERY_STORE)
def store(request: pytest.FixtureRequest) -> Any:
    """An empty store of each kind."""
    return store_named(request)


def site(handler: Handler, **options: Any) -> Any:
    """The usual pages, and sockets that are accepted and then `handler`'s."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await PAGES(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        await handler(scope, receive, send)

    return sessions(app, **options)


def talk_to(browser: Browser) -> Conversation:
    """A handshake with the browser's cookies."""
    headers = [("cookie", browser.cookie), ("origin", "https://app.example")] if len(browser.jar) else []
    talk = Conversation(browser.app, websocket_scope(headers=headers))
    talk.say("websocket.connect")
    return talk


async def listen(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer each message until the client leaves."""
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    scope["left"] = message


async def broadcast(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send, and never listen."""
    while True:
        await send({"type": "websocket.send", "text": "tick"})
        await asyncio.sleep(0.005)


async def sleep(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Do neither, and see what has happened at the end."""
    scope["awake"] = asyncio.Event()
    await scope["awake"].wait()
    scope["left"] = await receive()
    await send({"type": "websocket.close", "code": 1000})  # as applications do in a `finally`
    with pytest.raises(SocketEnded):
        await send({"type": "websocket.send", "text": "too late"})


async def until_closed(talk: Conversation) -> dict[str, Any]:
    """The message that closes, past all others."""
    while (message := await talk.hear())["type"] != "websocket.close":
        pass
    return message


REVOCATIONS = {
    "logout": lambda browser: browser.get("/logout"),
    "revoke": lambda browser: browser.app.manager.revoke(browser.credential),
    "revoke_user": lambda browser: browser.app.manager.revoke_user("alice"),
    "revoke_all": lambda browser: browser.app.manager.revoke_all(),
    "login of another user": lambda browser: browser.get("/login?bob"),
}


@pytest.mark.parametrize("how", REVOCATIONS)
@pytest.mark.security("LC-15")
async def test_an_ended_session_closes_its_socket(store: Any, how: str) -> None:
    """An application that listens is told that the client has left."""
    async with visiting(site(listen, store=store)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            talk.say("websocket.receive", text="hello")
            assert (await talk.hear())["text"] == "hello"
            await REVOCATIONS[how](browser)
            assert await talk.hear() == CLOSED
            await talk.ended()
            assert talk._scope["left"] == LEFT


@pytest.mark.parametrize("handler", [broadcast, sleep])
@pytest.mark.security("LC-15")
async def test_an_application_that_does_not_listen_is_closed_too(handler: Handler) -> None:
    """A loop that only sends ends by the error of `send`; one that sleeps finds out when it wakes up."""
    async with visiting(site(handler)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            await browser.get("/logout")
            assert await until_closed(talk) == CLOSED
            if handler is sleep:
                talk._scope["awake"].set()
            await talk.ended()
            assert CLOSED not in talk.response.messages[:-1]


async def test_what_the_application_does_with_the_error_is_its_own_business() -> None:
    """It is an OSError, as from a client that left; another error of its own is not hidden."""

    async def send_on(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await broadcast(scope, receive, send)
        except OSError:
            raise ZeroDivisionError from None

    async with visiting(site(send_on)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await browser.get("/logout")
            with pytest.raises(ZeroDivisionError):
                await talk.ended()


@pytest.mark.security("LC-15")
async def test_a_session_that_ended_during_the_handshake() -> None:
    """Between its validation and its acceptance nobody listened to the news; the socket is closed all the same."""
    store = WatchedStore()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await PAGES(scope, receive, send)
            return
        await receive()
        await store.destroy(scope["session"].transaction.record.key)
        await send({"type": "websocket.accept"})
        await listen(scope, receive, send)

    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            assert await talk.hear() == CLOSED
            await talk.ended()


@pytest.mark.security("LC-15")
@pytest.mark.parametrize("how", ["write", "save", "ask"])
async def test_a_session_that_the_handshake_finds_ended(store: Any, how: str) -> None:
    """The handler works with it before it accepts, and the store says that it has ended: the socket is closed, not accepted."""
    left: list[Any] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await PAGES(scope, receive, send)
            return
        await receive()
        session = scope["session"]
        await scope["asgi_session"].manager.revoke(session.handle)
        if how != "ask":
            session["room"] = "blue"
        if how != "write":
            with pytest.raises(SessionGone):
                await (session.save() if how == "save" else session.require_fresh())
        await send({"type": "websocket.accept"})
        left.append(await receive())
        await send({"type": "websocket.send", "text": "for alice's eyes only"})

    async with visiting(sessions(app, store=store)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            response = await talk.ended()
        assert response.messages == [CLOSED]
    assert left == [LEFT]


async def test_a_handshake_that_ends_its_own_session_is_accepted() -> None:
    """The handler logs out and wants the socket nevertheless: a visitor's."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await PAGES(scope, receive, send)
            return
        await receive()
        await scope["session"].logout()
        await send({"type": "websocket.accept"})

    async with visiting(sessions(app)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            assert (await talk.hear())["type"] == "websocket.accept"
            await talk.ended()


async def test_a_saved_change_closes_no_socket(store: Any) -> None:
    """Neither on the socket, nor by a request of the same session on the same worker, nor one that was refused."""

    async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["step"] = 1
        await scope["session"].save()
        await listen(scope, receive, send)

    async with visiting(site(chat, store=store)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            for text in ("one", "two"):
                await browser.get("/count")
                talk.say("websocket.receive", text=text)
                assert (await talk.hear())["text"] == text
            talk.say("websocket.disconnect", code=1001)
            await talk.ended()
            assert talk._scope["left"]["code"] == 1001


async def test_revoking_the_others_keeps_ones_own() -> None:
    """The socket of the session that asked for it stays."""

    async def revoke(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["session"].revoke_others()
        await listen(scope, receive, send)

    async with visiting(site(revoke)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            talk.say("websocket.receive", text="still here")
            assert (await talk.hear())["text"] == "still here"


async def test_a_logout_on_the_socket_closes_it(store: Any) -> None:
    """It is the end of the session like any other."""

    async def leave(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["session"].logout()
        await listen(scope, receive, send)

    async with visiting(site(leave, store=store)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            assert await talk.hear() == CLOSED
            await talk.ended()


async def test_a_visitor_without_a_session_is_not_watched() -> None:
    """There is nothing that could end."""
    async with visiting(site(listen)) as browser, talk_to(browser) as talk:
        await talk.hear()
        await browser.app.manager.revoke_all()
        talk.say("websocket.receive", text="hello")
        assert (await talk.hear())["text"] == "hello"
        talk.say("websocket.disconnect", code=1000)
        await talk.ended()


async def test_no_message_is_lost_between_two_calls() -> None:
    """An application that waits with a deadline gets the message with its next call."""

    async def impatient(scope: dict[str, Any], receive: Any, send: Any) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await send({"type": "websocket.send", "text": "nothing yet"})
        await listen(scope, receive, send)

    async with visiting(site(impatient)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            await talk.hear()
            await talk.hear()
            for text in ("one", "two"):
                talk.say("websocket.receive", text=text)
                assert (await talk.hear())["text"] == text


async def test_what_the_application_closes_is_closed_once() -> None:
    """With its own code; the end of the session afterwards adds nothing, and `receive` speaks of the server's end."""

    async def close(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4001})
        scope["closed"] = asyncio.Event()
        await scope["closed"].wait()
        scope["left"] = await receive()

    async with visiting(site(close)) as browser:
        await browser.get("/login?alice")
        async with talk_to(browser) as talk:
            assert (await until_closed(talk))["code"] == 4001
            await browser.get("/logout")
            talk.say("websocket.disconnect", code=4001)
            talk._scope["closed"].set()
            response = await talk.ended()
        assert [message["type"] for message in response.messages].count("websocket.close") == 1
        assert talk._scope["left"]["code"] == 4001


@pytest.mark.security("AV-10")
async def test_nothing_is_left_of_a_socket() -> None:
    """Neither a watch nor a task, whether the application returns, raises, or is cancelled with its client."""

    async def fail(scope: dict[str, Any], receive: Any, send: Any) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.001)
        raise ZeroDivisionError

    async def leave(scope: dict[str, Any], receive: Any, send: Any) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.001)

    for handler in (leave, fail, listen):
        async with visiting(site(handler)) as browser:
            await browser.get("/login?alice")
            before = asyncio.all_tasks()
            async with talk_to(browser) as talk:
                await talk.hear()
                if handler is listen:
                    await talk.cancel()
                elif handler is fail:
                    with pytest.raises(ZeroDivisionError):
                        await talk.ended()
                else:
                    await talk.ended()
            watches = browser.app._engine.watches
            assert len(watches) == 0
            assert {task for task in asyncio.all_tasks() - before if "SessionWatch" not in repr(task)} == set()


@pytest.mark.parametrize("how", ["is gone", "does not answer"])
async def test_a_client_that_can_not_be_told(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A server that fails to close, or waits for the client to agree, holds neither the application nor the log."""
    monkeypatch.setattr(guard, "CLOSING", 0.01)
    left: list[Any] = []

    async def note(scope: dict[str, Any], receive: Any, send: Any) -> None:
        left.append(await receive())

    middleware = site(note)

    async def server(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def send_badly(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.close":
                if how == "is gone":
                    raise ConnectionResetError
                await asyncio.Event().wait()
            await send(message)

        await middleware(scope, receive, send_badly)

    async with visiting(middleware) as browser:
        await browser.get("/login?alice")
        browser.app = server
        async with talk_to(browser) as talk:
            await talk.hear()
            await middleware.manager.revoke_all()
            await talk.ended()
    assert left == [LEFT]


async def test_a_handshake_that_the_store_refused_is_not_closed_again() -> None:
    """The client has its 503; the session's end afterwards is nobody's business."""
    store = WatchedStore()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await PAGES(scope, receive, send)
            return
        await receive()
        scope["session"]["room"] = "blue"
        await send({"type": "websocket.accept"})
        scope["refused"] = asyncio.Event()
        await scope["refused"].wait()

    middleware = sessions(app, store=store)
    async with visiting(middleware) as browser:
        await browser.get("/login?alice")
        store.failures["commit"] = StoreUnavailable("down")
        async with talk_to(browser) as talk:
            assert (await talk.hear())["type"] == "websocket.close"
            store.failures.clear()
            await middleware.manager.revoke_all()
            talk._scope["refused"].set()
            response = await talk.ended()
        assert len(response.messages) == 1


# -- tokens --------------------------------------------------------------------------------------------------------------

KEY = SigningKey("ES256")
EXPIRED = {"type": "websocket.close", "code": 1008, "reason": "token expired"}


class SeenClock(StoppedClock):
    """A clock that knows when somebody has looked at it."""

    looks = 0

    def now(self) -> float:
        self.looks += 1
        return super().now()

    async def seen(self) -> None:
        """Return when somebody who was waiting has seen what time it is, and gone on."""
        looks = self.looks
        async with asyncio.timeout(5):
            while self.looks < looks + 3:
                await asyncio.sleep(0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SeenClock:
    """What the package takes for the time of day; who waits for it looks often."""
    clock = SeenClock(wall=NOW)
    monkeypatch.setattr("asgi_session.stages.guard.SYSTEM_CLOCK", clock)
    monkeypatch.setattr("asgi_session.transaction.SYSTEM_CLOCK", clock)
    monkeypatch.setattr("asgi_session.clock.LOOK_EVERY", 0.005)
    return clock


def with_token(app: Any, **claims: Any) -> Conversation:
    """A handshake with a token of five minutes."""
    token = KEY.sign(valid_claims(**claims))
    talk = Conversation(app, websocket_scope(headers=bearer(token)))
    talk.say("websocket.connect")
    return talk


def timers() -> list[asyncio.TimerHandle]:
    """What the running loop will call later."""
    return [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]


@pytest.mark.security("LC-15")
async def test_an_expired_token_closes_its_socket(clock: SeenClock) -> None:
    """To the second, whatever was found of the token at the handshake; until then it is open."""
    app = site(listen, bearer=verifier_of(KEY, clock=clock))
    async with visiting(app), with_token(app, exp=NOW + 300) as talk:
        await talk.hear()
        clock.advance(299.0)
        await clock.seen()
        talk.say("websocket.receive", text="hello")
        assert (await talk.hear())["text"] == "hello"
        clock.advance(1.0)
        assert await talk.hear() == EXPIRED
        await talk.ended()
        assert talk._scope["left"] == {**EXPIRED, "type": "websocket.disconnect"}


@pytest.mark.parametrize("handler", [broadcast, sleep])
@pytest.mark.security("LC-15")
async def test_an_application_that_does_not_listen_loses_its_token(handler: Handler, clock: SeenClock) -> None:
    """It is closed too, as with a session."""
    app = site(handler, bearer=verifier_of(KEY, clock=clock))
    async with visiting(app), with_token(app) as talk:
        await talk.hear()
        clock.advance(300.0)
        assert await until_closed(talk) == EXPIRED
        if handler is sleep:
            talk._scope["awake"].set()
        await talk.ended()


async def test_a_socket_opened_in_the_leeway_is_closed_at_once(clock: SeenClock) -> None:
    """A request may be a little late, a socket would stay."""
    app = site(listen, bearer=verifier_of(KEY, clock=clock))
    async with visiting(app), with_token(app, exp=NOW - 10) as talk:
        assert (await talk.hear())["type"] == "websocket.accept"
        assert await talk.hear() == EXPIRED
        await talk.ended()


@pytest.mark.security("AV-10")
@pytest.mark.parametrize("how", ["returns", "fails", "is cancelled", "never accepts", "closes"])
async def test_nothing_is_left_of_a_tokens_socket(how: str, clock: SeenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a task nor a timer that waits for its expiry."""
    monkeypatch.setattr("asgi_session.clock.LOOK_EVERY", 30.0)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        if how == "never accepts":
            await send({"type": "websocket.close", "code": 4000})
            return
        await send({"type": "websocket.accept"})
        if how == "fails":
            raise ZeroDivisionError
        if how == "closes":
            await send({"type": "websocket.close", "code": 1000})
        if how == "is cancelled":
            await receive()

    async with visiting(sessions(app, bearer=verifier_of(KEY, clock=clock))) as browser:
        before = asyncio.all_tasks(), timers()
        async with with_token(browser.app) as talk:
            await talk.hear()
            if how == "is cancelled":
                await talk.cancel()
            elif how == "fails":
                with pytest.raises(ZeroDivisionError):
                    await talk.ended()
            else:
                await talk.ended()
        assert asyncio.all_tasks() == before[0]
        assert set(timers()) <= set(before[1])


# -- streams ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", REVOCATIONS)
@pytest.mark.security("LC-15")
async def test_a_stream_can_wait_for_the_end_of_its_session(store: Any, how: str) -> None:
    """Server-sent events and the like: `session.wait_ended()` returns when it is time to stop."""

    async def stream(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/stream":
            await PAGES(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
        await scope["session"].wait_ended()
        await send({"type": "http.response.body", "body": b"end"})

    async with visiting(sessions(stream, store=store)) as browser:
        await browser.get("/login?alice")
        async with Conversation(browser.app, browser.scope("GET", "/stream")) as talk:
            await talk.hear()
            await talk.hear()
            await REVOCATIONS[how](browser)
            assert (await talk.hear())["body"] == b"end"
            await talk.ended()
        assert len(browser.app._engine.watches) == 0


@pytest.mark.security("LC-15")
async def test_a_stream_can_wait_for_the_end_of_its_token(clock: SeenClock) -> None:
    """The same line of a handler serves both kinds of visitors."""

    async def stream(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
        await scope["session"].wait_ended()
        await send({"type": "http.response.body", "body": b"end"})

    app = sessions(stream, bearer=verifier_of(KEY, clock=clock))
    async with visiting(app), Conversation(app, http_scope(headers=bearer(KEY.sign()))) as talk:
        await talk.hear()
        await talk.hear()
        clock.advance(299.0)
        await clock.seen()
        assert talk._from_app.empty()
        clock.advance(1.0)
        assert (await talk.hear())["body"] == b"end"
        await talk.ended()


async def test_waiting_for_the_end_of_no_session() -> None:
    """It is over already; and a wait that is cancelled leaves no watch behind."""

    async def stream(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await scope["session"].wait_ended()
        await PAGES({**scope, "path": "/ignore"}, receive, send)

    async with visiting(sessions(stream)) as browser:
        assert (await browser.get("/stream")).status == 200
        made = await browser.app.manager.create("alice")
        async with Conversation(browser.app, browser.scope("GET", "/stream", cookie=f"__Host-session={made.credential}")) as talk:
            while not len(browser.app._engine.watches):
                await asyncio.sleep(0)
            await talk.cancel()
        assert len(browser.app._engine.watches) == 0


async def test_what_a_socket_saves_after_its_session_ended_is_refused() -> None:
    """Nothing of it comes back to life."""

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert await receive() == LEFT
        scope["session"]["late"] = 1
        with pytest.raises(SessionGone):
            await scope["session"].save()

    async with visiting(site(late)) as browser:
        await browser.get("/login?alice")
        credential = browser.credential
        async with talk_to(browser) as talk:
            await talk.hear()
            await browser.get("/logout")
            await talk.ended()
        assert await browser.app.manager.get(credential) is None
