"""The middleware as a whole: what it lets through, in which order it asks, and that nothing is accepted by accident."""

import inspect
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarlettesMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from asgi_session import ConfigurationError, CSRFPolicy, JWTVerifier, Lifetimes, RateLimit, SessionCap, SessionMiddleware
from asgi_session.stages.commit import Commit
from asgi_session.stores.memory import MemoryStore
from tests.support.asgi import Conversation, exchange, http_scope, websocket_scope
from tests.support.site import SECRET, SITE, Browser, bearer, pages, sessions, visiting
from tests.tokens.parts import SigningKey, verifier_of

KEY = SigningKey("ES256")


@pytest.mark.security("IN-15")
@pytest.mark.parametrize("kind", ["lifespan.custom", "pubsub", "", "HTTP"])
async def test_other_kinds_of_scopes_pass_through(kind: str) -> None:
    """The very same scope and callables reach the application, and nothing is started for them."""
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.append(arguments)

    middleware = sessions(app, secret_key="")  # would not start
    arguments = ({"type": kind}, object(), object())
    await middleware(*arguments)
    assert seen == [arguments]
    assert arguments[0] == {"type": kind}


@pytest.mark.security("IN-15")
async def test_the_body_is_the_applications() -> None:
    """It is handed the server's own `receive`; nobody has read from it before."""

    async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    app = sessions(echo)
    assert (await exchange(app, http_scope("POST"), b"\x00\xff" * 100)).body == b"\x00\xff" * 100
    await app.shutdown()


@pytest.mark.security("IN-15")
async def test_one_start_of_a_response_whatever_the_application_does() -> None:
    """A second start is passed on as it is (servers refuse it), and carries nothing of ours."""

    async def twice(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["a"] = 1
        for _ in range(2):
            await send({"type": "http.response.start", "status": 200, "headers": []})

    app = sessions(twice)
    messages = (await exchange(app, http_scope())).messages
    await app.shutdown()
    assert len(messages[0]["headers"]) > 0
    assert messages[1] == {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.security("IN-15")
async def test_an_application_that_never_answers_saves_nothing() -> None:
    """There was no response that could have told the client."""

    async def mute(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["session"]["a"] = 1

    app = sessions(mute)
    assert (await exchange(app, http_scope())).messages == []
    assert (await app.manager.stats()).sessions == 0
    await app.shutdown()


def test_starlettes_arguments_keep_their_places() -> None:
    """Changing the import is the whole migration: the same names in the same order, ours behind them by keyword only."""
    theirs = list(inspect.signature(StarlettesMiddleware).parameters)
    ours = inspect.signature(SessionMiddleware).parameters
    assert list(ours)[: len(theirs)] == theirs
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in list(ours.values())[len(theirs) :])
    for name in ("max_age", "path", "same_site", "domain", "partitioned"):
        assert ours[name].default == inspect.signature(StarlettesMiddleware).parameters[name].default


async def test_below_another_application() -> None:
    """Mounted, where no lifespan reaches it: it starts with its first request, and sees only what is below the mount."""

    async def count(request: Request) -> JSONResponse:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JSONResponse(request.session)

    async def outside(request: Request) -> JSONResponse:
        return JSONResponse("session" in request.scope)

    inner = Starlette(routes=[Route("/count", count)], middleware=[Middleware(SessionMiddleware, SECRET, store="memory://")])
    browser = Browser(Starlette(routes=[Mount("/app", inner), Route("/outside", outside)]))
    assert (await browser.get("/app/count")).json() == {"visits": 1}
    assert (await browser.get("/app/count")).json() == {"visits": 2}
    assert (await browser.get("/outside")).json() is False


async def test_two_middlewares_with_two_cookies() -> None:
    """A site and its administration, one inside the other: nothing of one session gets into the other, nor ends it."""
    inside, outside = sessions(SITE, session_cookie="__Host-admin"), pages(SITE)

    async def split(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"].startswith("/admin"):
            await inside({**scope, "path": scope["path"].removeprefix("/admin")}, receive, send)
        elif scope["path"].startswith("/same-scope"):
            scope["path"] = scope["path"].removeprefix("/same-scope")
            await inside(scope, receive, send)
        else:
            await outside(scope, receive, send)

    outer = sessions(split)
    browser = Browser(outer)
    for path in ("/admin/count", "/same-scope/count"):
        await browser.get(path)
        assert {cookie.name for cookie in browser.jar} == {"__Host-admin"}
    await browser.get("/count")
    assert {cookie.name for cookie in browser.jar} == {"__Host-admin", "__Host-session"}
    assert (await browser.get("/read")).json() == {"visits": 1}
    assert (await browser.get("/same-scope/read")).json() == {"visits": 2}
    await browser.get("/same-scope/logout")
    assert {cookie.name for cookie in browser.jar} == {"__Host-session"}
    await inside.shutdown()
    await outer.shutdown()


class Defect(Exception):
    """Something that nobody expected."""


REQUESTS = {
    "nothing": [],
    "cookie": None,
    "garbage": [("cookie", "__Host-session=garbage")],
    "session id": "bearer",
    "token": bearer(KEY.sign()),
    "cross-site": [("sec-fetch-site", "cross-site")],
}


@pytest.mark.security("AV-08")
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_defect_in_any_stage_lets_nothing_through(number: int, asynchronous: bool) -> None:
    """Each stage raises in turn, for each kind of request: the application is never reached, and no session is changed."""
    reached: list[str] = []

    def handler(scope: dict[str, Any]) -> None:
        reached.append(scope["path"])

    app = sessions({**SITE, "/handler": handler}, bearer=verifier_of(KEY), rate_limits=[RateLimit("100/day", key="user")])
    browser = Browser(app)
    await browser.get("/login?alice")
    assert len(app._stages) == 6, "a new stage belongs into this test"

    async def later(request: Any) -> None:
        raise Defect

    def at_once(request: Any) -> None:
        raise Defect

    stages = list(app._stages)
    stages[number] = later if asynchronous else at_once
    app._stages = tuple(stages)
    for headers in REQUESTS.values():
        given = bearer(browser.credential) if headers == "bearer" else headers or []
        for method in ("GET", "POST"):
            try:
                response = await browser.request(method, "/handler", headers=given)
            except Defect:
                continue
            assert response.status >= 400  # an earlier stage had refused it
        scope = websocket_scope("/handler", headers=[("cookie", browser.cookie), *given])
        async with Conversation(app, scope) as talk:
            talk.say("websocket.connect")
            try:
                messages = (await talk.ended()).messages
            except Defect:
                continue
            assert [message["type"] for message in messages] == ["websocket.close"]
    assert reached == []
    assert len(await app.manager.list_for_user("alice")) == 1
    await app.shutdown()


@pytest.mark.security("AV-08")
async def test_a_defect_in_the_commit_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response that would have been wrong never starts."""

    def broken(*_: object) -> None:
        raise Defect

    monkeypatch.setattr(Commit, "_headers", broken)
    app = sessions()
    browser = Browser(app)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(Defect):
        await app(browser.scope("GET", "/count"), receive, send)
    assert sent == []
    await app.shutdown()


async def test_a_plain_function_is_an_application() -> None:
    """Nothing of a framework is needed."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await pages()(scope, receive, send)

    async with visiting(SessionMiddleware(app, SECRET, store="memory://")) as browser:
        assert (await browser.get("/count")).json() == 1


WRONG: dict[str, list[Any]] = {
    "app": [None],
    "secret_key": [None, 5],
    "session_cookie": [5, ["sid"]],
    "max_age": ["3600", timedelta(hours=1), True, float("nan"), 10**400],
    "path": [None, 5],
    "same_site": [None, 5, ["lax"]],
    "https_only": ["yes", 1],
    "domain": [5, ["app.example"]],
    "partitioned": [None, "yes", 1],
    "store": [5, b"redis://localhost", MemoryStore, object(), "redis://localhost/not-a-number", "localhost"],
    "idle_timeout": ["abc", timedelta(hours=1), Lifetimes.aal2(), True, float("nan"), 10**400],
    "absolute_timeout": [None, "abc", timedelta(hours=1), Lifetimes.aal2()],
    "session_cap": [5, True, SessionCap],
    "bearer": ["https://id.example.org", 5, JWTVerifier, ["https://id.example.org"]],
    "rate_limits": ["100/minute", 5, RateLimit, ["100/minute"], {"ip": "100/minute"}],
    "failed_credentials": ["300/minute", 300, False],
    "csrf": [None, False, True, CSRFPolicy, ["https://a.example"]],
    "validation": [None, False, 60],
    "cache": [None, False, 10_000],
    "trusted_proxies": [5, [5], [None], {"10.0.0.0/8": True}],
    "on_store_error": [None, 5, ["reject"]],
}
MISTAKES = [(argument, value) for argument, values in WRONG.items() for value in values]


@pytest.mark.security("AV-09")
def _named(argument: str, value: object) -> str:
    """For a test; the same in each worker that runs tests."""
    return f"{argument}={ascii(value).partition(' at 0x')[0][:30]}"


@pytest.mark.parametrize(("argument", "value"), MISTAKES, ids=[_named(*mistake) for mistake in MISTAKES])
async def test_an_argument_of_a_wrong_type_is_told_at_the_start(argument: str, value: Any) -> None:
    """By its own name and by no other. From the constructor, servers would take an error for an application without a lifespan."""
    arguments = {"app": pages(SITE), "secret_key": SECRET, argument: value}
    middleware = SessionMiddleware(**arguments)
    with pytest.raises(ConfigurationError) as caught:
        await middleware.initialize()
    (problem,) = caught.value.problems
    assert problem.field.partition("[")[0] == argument
    assert problem.fix


def test_every_argument_is_among_them() -> None:
    """One that is added gets its line above."""
    assert list(inspect.signature(SessionMiddleware).parameters) == list(WRONG)
