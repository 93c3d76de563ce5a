"""The requests that race: what they do, and who serves them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count as numbers
from typing import Any

from asgi_session import SessionConflict, SessionGone, SessionManager, SessionMiddleware, StoredSession
from tests.support.asgi import Message, Response, Scope, exchange, http_scope
from tests.support.interleaving import Schedule, SteppedStore, explore
from tests.support.site import COOKIE, Handler


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


PAGES: Mapping[str, Handler] = {
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
    _names: "numbers[int]" = field(default_factory=numbers)

    async def race(self, scenario: Callable[[Schedule], Awaitable[None]], *, at_least: int = 6, only_steps: bool = False) -> None:
        """Try every order of a scenario.

        Workers share nothing but the store, so between two of them only the order of its steps counts. On one worker, what
        happens between a step and its caller's next move counts too, unless there are ``only_steps`` to look at (three requests
        have too many orders else).
        """

        async def followed(schedule: Schedule) -> None:
            for store in self.stores:
                store.schedule = schedule
            await scenario(schedule)

        assert await explore(followed, gates_after_steps=self.second == 0 and not only_steps) >= at_least

    def new_name(self) -> str:
        """A user of this run of a scenario alone."""
        return f"user {next(self._names)}"

    async def request(self, worker: int, target: str, credential: str | None) -> Response:
        """A browser's request; its response starts when its turn has come."""
        path, _, query = target.partition("?")
        headers = [("cookie", f"{COOKIE}={credential}")] if credential is not None else []
        middleware, schedule = self.middlewares[worker], self.stores[worker].schedule

        async def served(scope: Scope, receive: Any, send: Any) -> None:
            async def send_in_turn(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await schedule.gate("response")
                await send(message)

            await middleware(scope, receive, send_in_turn)

        return await exchange(served, http_scope("GET", path, query=query, headers=headers))

    async def session(self, user_id: str | None) -> StoredSession:
        """A session that nobody has met yet."""
        return await self.manager.create(user_id, {"old": 1})

    async def live_sessions(self, user_id: str) -> list[str]:
        """The handles of a user's live sessions."""
        return [session.handle for session in await self.manager.list_for_user(user_id) if session.is_live]

    async def alive(self, credential: str | None) -> StoredSession | None:
        """The session as the store has it now."""
        return await self.manager.get(credential or "")


def given(response: Response) -> str | None:
    """The credential that a response gives the browser; None: none, or the order to forget it."""
    lines = [line for line in response.all("set-cookie") if line.startswith(f"{COOKIE}=") and "01 Jan 1970" not in line]
    return lines[0].split(";")[0].partition("=")[2] if lines else None


def credential_of(session: StoredSession) -> str:
    """What its client presents."""
    assert session.credential is not None
    return session.credential
