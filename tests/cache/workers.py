"""Workers as processes have them: each with a middleware, a store object, a cache and connections of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from asgi_session import SessionManager, SessionMiddleware, StoredSession
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.link import RedisLink
from tests.support.asgi import Headers, Response, Scope, exchange, http_scope
from tests.support.site import COOKIE, SECRET, SITE, pages

FIREFOX = (("user-agent", "Firefox"), ("accept-language", "en"), ("accept-encoding", "br"))


def judged(scope: Scope) -> Any:
    """Who is asking, with which data, and how that was found out."""
    session, verdict = scope["session"], scope["asgi_session"].verdict
    return {"user": session.user_id, "data": dict(session), "how": [verdict.tier, verdict.cached, verdict.reason]}


async def fresh(scope: Scope) -> Any:
    """Ask the store itself."""
    await scope["session"].require_fresh()
    return judged(scope)


def note(scope: Scope) -> Any:
    """Count in the key that the query names; but make no session for who has none."""
    session, name = scope["session"], scope["query_string"].decode()
    if session.user_id is not None:
        session[name] = session.get(name, 0) + 1
    return judged(scope)


async def revoke_others(scope: Scope) -> Any:
    """End the user's other sessions."""
    await scope["session"].revoke_others()


def regenerate(scope: Scope) -> Any:
    """Get a new id."""
    scope["session"].regenerate_id()


async def echo(receive: Any, send: Any) -> None:
    """A socket that answers each message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


PAGES = {**SITE, "/judged": judged, "/note": note, "/fresh": fresh, "/revoke_others": revoke_others, "/regenerate": regenerate}


_ANSWER = pages(PAGES)


async def _site(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await echo(receive, send)
    else:
        await _ANSWER(scope, receive, send)


class Worker:
    """One process' worth of the package. ``link_url``: where its invalidation link goes, if not where its store is."""

    def __init__(self, url: str, namespace: str, *, link_url: str | None = None, **options: Any) -> None:
        self.store = RedisStore(RedisClient(url), namespace=namespace)
        self.link_client = RedisClient(link_url) if link_url is not None else self.store.client
        if link_url is not None:
            self.store.link = RedisLink(self.link_client, namespace)
        self.middleware = SessionMiddleware(_site, SECRET, store=self.store, **options)
        self.manager = self.middleware.manager

    async def __aenter__(self) -> Self:
        await self.middleware.initialize()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.middleware.shutdown()
        await self.link_client.close()

    async def get(self, path: str, credential: str | None, *, headers: Headers = FIREFOX, client: str = "198.51.100.7") -> Response:
        """A request of a browser."""
        path, _, query = path.partition("?")
        lines = [*headers, *([("cookie", f"{COOKIE}={credential}")] if credential else [])]
        return await exchange(self.middleware, http_scope("GET", path, query=query, headers=lines, client=(client, 50000)))

    async def judge(self, credential: str, **request: Any) -> Any:
        """What the worker thinks of a credential."""
        return (await self.get("/judged", credential, **request)).json()

    async def trusts(self, bucket: str = "000", *, seconds: float = 10.0) -> None:
        """Wait until the link has its proof."""
        await until(lambda: self.store.link.lease(bucket).until > time.monotonic(), f"a link is up ({bucket})", seconds=seconds)

    async def meets(self, session: StoredSession, *, user: str | None = "ann") -> str:
        """Have this worker know a session so well that it needs nobody to serve it; returns its credential."""
        credential = session.credential
        assert credential is not None
        await self.trusts(credential[:3])
        first, again = await self.judge(credential), await self.judge(credential)
        assert (first["user"], again["how"]) == (user, ["quick", True, "valid"]), (first, again)
        return credential


async def until(condition: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)


async def seconds_until(condition: Callable[[], Awaitable[bool]], *, pause: float = 0.0, seconds: float = 10.0) -> float:
    """How long it takes from now on."""
    begin = time.monotonic()
    while not await condition():
        assert time.monotonic() < begin + seconds, "never"
        await asyncio.sleep(pause)
    return time.monotonic() - begin


async def denial_by(worker: Worker, credential: str, *, pause: float = 0.0) -> float:
    """How many seconds from now the last request began that a worker served; that it ends in a denial is looked after, too.

    While the store can't be asked the answer is 503, which serves nobody; in the end it has to be one that denies. The request's
    begin, because the worker looks after it whether it may still believe what it knows: so no load of the machine adds to the time,
    and what is promised can be demanded without an allowance.
    """
    served = 0.0
    begin = time.monotonic()

    async def is_denied() -> bool:
        nonlocal served
        begun = time.monotonic()
        response = await worker.get("/judged", credential)
        if response.status == 200 and response.json()["user"] is not None:
            served = begun - begin
        return response.status == 200 and response.json()["user"] is None

    await seconds_until(is_denied, pause=pause)
    return served


@asynccontextmanager
async def workers(*made: Worker) -> AsyncIterator[SessionManager]:
    """Have them all run; yields somebody else's manager of the same sessions, through the first one's store."""
    async with AsyncExitStack() as stack:
        for worker in made:
            await stack.enter_async_context(worker)
        yield made[0].manager
