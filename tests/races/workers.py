"""The requests that race: what they do, and who serves them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count as numbers
from typing import Any

import pytest

from asgi_session import SessionConflict, SessionGone, SessionManager, SessionMiddleware, SessionStore, StoredSession
from asgi_session.redis import RedisClient
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from tests.races.wires import Network, Wire, WiredStore
from tests.support.asgi import Message, Response, Scope, exchange, http_scope
from tests.support.interleaving import Schedule, SteppedStore, explore
from tests.support.site import COOKIE, SECRET, Handler, pages


def setting(scope: Scope) -> Any:
    """Set the key that the query names."""
    session = scope["session"]
    session[scope["query_string"].decode()] = 1
    return session.user_id


async def saving(scope: Scope) -> Any:
    """Set the key that the query names at once; whether that was done in a user's session."""
    session = scope["session"]
    session[scope["query_string"].decode()] = 1
    if session.user_id is None:
        return "nobody's"
    try:
        await session.save()
    except SessionGone:
        return "gone"
    return "saved"


async def count(scope: Scope) -> Any:
    """One more, unless somebody else was faster."""
    session = scope["session"]
    session["count"] = session.get("count", 0) + 1
    try:
        await session.save(if_unchanged=True)
    except SessionConflict:
        return "conflict"
    return "counted"


async def login(scope: Scope) -> Any:
    """Become whom the query names."""
    await scope["session"].login(scope["query_string"].decode())


async def logout(scope: Scope) -> Any:
    """Be nobody."""
    await scope["session"].logout()


def regenerate(scope: Scope) -> Any:
    """Ask for a new id, and set the key that the query names, if any."""
    scope["session"].regenerate_id()
    if scope["query_string"]:
        scope["session"][scope["query_string"].decode()] = 1
    return scope["session"].user_id


async def revoke_others(scope: Scope) -> Any:
    """End all other sessions, if one is logged in."""
    if scope["session"].user_id is not None:
        await scope["session"].revoke_others()


def who(scope: Scope) -> Any:
    """Whose session it is."""
    return scope["session"].user_id


def data(scope: Scope) -> Any:
    """What it holds."""
    return dict(scope["session"])


PAGES: Mapping[str, Handler] = {
    "/who": who,
    "/data": data,
    "/set": setting,
    "/save": saving,
    "/count": count,
    "/login": login,
    "/logout": logout,
    "/regenerate": regenerate,
    "/revoke_others": revoke_others,
}


@dataclass
class Workers:
    """Two workers and, past all gates, a manager of the same sessions."""

    middlewares: list[SessionMiddleware]
    stores: list[SteppedStore]
    manager: SessionManager
    second: int
    """Who serves the second request: the first worker too (0), or the other one (1)."""
    warm: bool = False
    """Both have met each session before the race begins, so that they need nobody to serve it."""
    at_most: int | None = None
    """So many orders are enough."""
    at_most_if_costly: int | None = None
    """So many, where one takes long."""
    hits: int = 0
    """Requests of the races that were served from the cache."""
    _names: "numbers[int]" = field(default_factory=numbers)

    @property
    def wires(self) -> list[Wire]:
        """The links, where it is the schedule that brings the news."""
        return [store.wire for store in self.stores if isinstance(store, WiredStore)]

    async def race(
        self,
        scenario: Callable[[Schedule], Awaitable[None]],
        *,
        at_least: int = 6,
        only_steps: bool = False,
        costly: bool = False,
    ) -> None:
        """Try every order of a scenario.

        Cold workers share nothing but the store, so between two of them only the order of its steps counts. On one worker, what
        happens between a step and its caller's next move counts too, unless there are ``only_steps`` to look at (three requests
        have too many orders else). It always does where news arrives in between; there are thousands of orders then, of
        which a sample has to do. Of a ``costly`` scenario, which ends everybody's sessions, say, fewer have to: cold workers run
        every order of it in memory, and a sample of those that differ in their callers' moves alone on a server.
        """

        async def followed(schedule: Schedule) -> None:
            for store in self.stores:
                store.schedule = schedule
            await scenario(schedule)

        all_gates = bool(self.wires) or (self.second == 0 and not only_steps)
        at_most = self.at_most_if_costly if costly else self.at_most
        at_most = at_most and max(at_least, at_most)
        assert await explore(followed, gates_after_steps=all_gates, at_most=at_most) >= at_least
        assert self.hits > 0 or not self.warm, "the race must be one in which the cache serves"

    def new_name(self) -> str:
        """A user of this run of a scenario alone."""
        return f"user {next(self._names)}"

    async def request(self, worker: int, target: str, credential: str | None) -> Response:
        """A browser's request. Where the cache could answer before anybody has had a turn, it waits for its own first."""
        if self.wires:
            await self.arrival(worker)
        return await self.answer(worker, target, credential)

    async def arrival(self, worker: int) -> None:
        """A request's turn to begin."""
        await self.stores[worker].schedule.gate("request")

    async def answer(self, worker: int, target: str, credential: str | None) -> Response:
        """What a request gets that has begun; its response starts when its turn has come."""
        path, _, query = target.partition("?")
        headers = [("cookie", f"{COOKIE}={credential}")] if credential is not None else []
        middleware, schedule = self.middlewares[worker], self.stores[worker].schedule

        async def served(scope: Scope, receive: Any, send: Any) -> None:
            async def send_in_turn(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await schedule.gate("response")
                await send(message)

            await middleware(scope, receive, send_in_turn)
            if schedule.running and scope["asgi_session"].verdict.cached:
                self.hits += 1

        return await exchange(served, http_scope("GET", path, query=query, headers=headers))

    async def session(self, user_id: str | None) -> StoredSession:
        """A session that nobody has met yet, but the workers where they are warm."""
        session = await self.manager.create(user_id, {"old": 1})
        await self.meet(credential_of(session))
        return session

    async def meet(self, credential: str) -> None:
        """Have warm workers know what there is to know."""
        for worker in range(2) if self.warm else ():
            await self.answer(worker, "/who", credential)

    async def live_sessions(self, user_id: str) -> list[str]:
        """The handles of a user's live sessions."""
        return [session.handle for session in await self.manager.list_for_user(user_id) if session.is_live]

    async def alive(self, credential: str | None) -> StoredSession | None:
        """The session as the store has it now."""
        return await self.manager.get(credential or "")


COLD = [
    "memory",
    pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.lengthy]),
    pytest.param("cluster", marks=[pytest.mark.cluster, pytest.mark.lengthy]),
]
"""Workers that have met nobody."""
WARM = [
    pytest.param("memory warm", marks=pytest.mark.lengthy),
    pytest.param("redis warm", marks=[pytest.mark.redis, pytest.mark.lengthy]),
    pytest.param("cluster warm", marks=[pytest.mark.cluster, pytest.mark.lengthy]),
]
"""Workers that have met each session."""
WIRED = [
    pytest.param("memory wired", marks=pytest.mark.lengthy),
    pytest.param("redis wired", marks=[pytest.mark.redis, pytest.mark.lengthy]),
]
"""Workers that have met nobody, and hear of each other when the schedule says so."""
AT_MOST = {"memory": 60, "redis": 24, "cluster": 20}
"""Orders of steps and news that are run, where there are more: there are thousands."""


def workers_named(
    request: pytest.FixtureRequest, namespace: str, second: int, **options: Any
) -> AbstractAsyncContextManager[Workers]:
    """The two workers that the fixture's parameter names."""
    kind, _, how = request.param.partition(" ")
    if kind == "memory":
        stores: list[SessionStore] = [MemoryStore()] * 3
        network = Network(namespace)
    else:
        clients = [RedisClient(request.getfixturevalue(f"{kind}_url")) for _ in range(3)]
        stores = [RedisStore(client, namespace=namespace) for client in clients]
        network = Network(namespace, clients[2])
    stepped = [WiredStore(store, network) if how else SteppedStore(store) for store in stores[:2]]
    if how:
        options.update(at_most=AT_MOST[kind], at_most_if_costly=AT_MOST[kind] // 4)
    elif kind != "memory":
        options["at_most_if_costly"] = AT_MOST[kind]
    return workers_over(stepped, stores[2], second, warm=how == "warm", **options)


@asynccontextmanager
async def workers_over(
    stores: Sequence[SteppedStore],
    behind: SessionStore,
    second: int,
    *,
    warm: bool = False,
    at_most: int | None = None,
    at_most_if_costly: int | None = None,
    **options: Any,
) -> AsyncIterator[Workers]:
    """Two workers with a store each, and a manager of what is ``behind`` both."""
    async with AsyncExitStack() as stack:
        middlewares = [SessionMiddleware(pages(PAGES), SECRET, store=store, **options) for store in stores]
        for middleware in middlewares:
            await middleware.initialize()
            stack.push_async_callback(middleware.shutdown)
        manager = await stack.enter_async_context(SessionManager(SECRET, store=behind))
        if isinstance(stores[1], WiredStore):
            stores[1].wire.waits = second == 1
            await stores[1].network.begin()
        yield Workers(middlewares, list(stores), manager, second, warm, at_most, at_most_if_costly)


def given(response: Response) -> str | None:
    """The credential that a response gives the browser; None: none, or the order to forget it."""
    lines = [line for line in response.all("set-cookie") if line.startswith(f"{COOKIE}=") and "01 Jan 1970" not in line]
    return lines[0].split(";")[0].partition("=")[2] if lines else None


def credential_of(session: StoredSession) -> str:
    """What its client presents."""
    assert session.credential is not None
    return session.credential
