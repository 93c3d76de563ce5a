"""The table's operations on Redis, each through a whole middleware: how it is done, and what has to be seen of it."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from asgi_session import FailureBudget, RateLimit, SessionMiddleware
from asgi_session.stores.redis import RedisStore
from tests.faults import table
from tests.faults.client import Answer, ask
from tests.faults.conftest import MakeMiddleware, new_session
from tests.support.redis_time import let_time_pass

SLACK = 0.2
"""Seconds that a busy test machine may add to a bound."""
FORGED = "000" + "A" * 43 + "." + "A" * 43
PATHS = {
    "anonymous": "/public",
    "commit": "/write",
    "create": "/write",
    "login": "/login",
    "logout": "/logout",
    "revoke": "/revoke",
}
BEGINS_AFTER_LOAD = {"commit", "login", "logout", "revoke"}
LIMITS = {"limit-local", "limit-open", "limit-closed"}
WITHOUT_COOKIE = {"anonymous", "create", *LIMITS}
NOBODYS = {"forged", *WITHOUT_COOKIE}
A_DAY = 24 * 3600
"""Seconds: the idle timeout of a session that lives as long as by default is due to be slid then."""

Begin = Callable[[], Awaitable[object]]
"""Brings the fault about, and returns when it is there."""


@dataclass(slots=True)
class Seen:
    """What became of an operation."""

    answer: Answer
    """Its seconds count from the moment when the fault was there."""
    again: list[int] = field(default_factory=list)
    """Statuses of further requests, where a rate limit was asked."""
    live: list[bool] = field(default_factory=list)
    """Whether the other user's sessions live, where somebody was revoked and nobody said that this failed."""


class StopWatch:
    """Takes the time but for what a busy machine keeps from this process: no deadline can pass in it.

    A stall of the event loop is left out, as far as it was not this process' own work.
    """

    TICK = 0.005

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._begin = self._stalled = 0.0
        self._ticking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From zero."""
        self._begin, self._stalled = self._clock(), 0.0
        self._ticking = self._ticking or asyncio.ensure_future(self._tick(self._begin, time.process_time()))

    async def stop(self) -> float:
        """The seconds since the last start; `inf` where there was none."""
        end = self._clock()
        if self._ticking is None:
            return math.inf
        for _ in range(3):
            await asyncio.sleep(0)  # a stall that has just ended is counted, too
        self._ticking.cancel()
        return end - self._begin - self._stalled

    async def _tick(self, at: float, worked: float) -> None:
        while True:
            now, works = self._clock(), time.process_time()
            self._stalled += max(0.0, now - at - (works - worked) - 2 * self.TICK)
            at, worked = now, works
            await asyncio.sleep(self.TICK)


class Attempt:
    """One operation, prepared up to the moment when its fault begins."""

    def __init__(self, operation: table.Operation, middleware: SessionMiddleware, credential: str) -> None:
        self.operation = operation
        self.middleware = middleware
        self.is_spared: Callable[[Answer], bool] = lambda _: False
        """Whether chance has led a request to a server that is well: it does not count, and another one is made."""
        self.credential = credential

    async def run(self, begin: Begin) -> Seen:
        """Do it, with the fault from when the table says."""
        watch = StopWatch()

        async def begin_now() -> None:
            await begin()
            watch.start()

        name = self.operation.name
        if name in BEGINS_AFTER_LOAD:
            self.middleware.app.between = begin_now  # type: ignore[attr-defined]
        else:
            await begin_now()
        while self.is_spared(answer := await self.ask()):
            watch.start()
        seen = Seen(answer)
        seen.answer.seconds = await watch.stop()
        if name in LIMITS:
            seen.again = [(await self.ask()).status for _ in range(2)]
        if name == "revoke" and seen.answer.status == 200:
            seen.live = [each.is_live for each in await self.middleware.manager.list_for_user("ben")]
        return seen

    async def ask(self) -> Answer:
        """The operation's request."""
        path = PATHS.get(self.operation.name, "/read")
        if self.operation.name in WITHOUT_COOKIE:
            return await ask(self.middleware, path)
        if self.operation.name == "load-bearer":
            return await ask(self.middleware, path, bearer=self.credential)
        return await ask(self.middleware, path, cookie=self.credential)


async def prepare(
    operation: table.Operation, make_middleware: MakeMiddleware, store: RedisStore, make_store: Callable[[], RedisStore]
) -> Attempt:
    """A middleware on ``store``, and the session that its client has; others reach the same data by ``make_store``.

    A session that is due to be slid is made by letting a day pass for all that is stored: prepare it before others.
    """
    credential = FORGED if operation.name == "forged" else await new_session(make_store())
    if operation.name == "load-due":
        beside = make_store()
        await let_time_pass(beside, A_DAY)
        await beside.stop()
    middleware = make_middleware(store=store, **_arguments(operation.name))
    await middleware.initialize()
    attempt = Attempt(operation, middleware, credential)
    if operation.name == "revoke":
        middleware.app.other = (await middleware.manager.create("ben")).handle  # type: ignore[attr-defined]
    if operation.name in LIMITS:
        assert (await attempt.ask()).status == 200
    return attempt


def check(seen: Seen, operation: table.Operation, fault: table.Fault, expected: table.Outcome, *, slack: float = SLACK) -> None:
    """The outcome is the one that the table promises, in the promised time."""
    answer = seen.answer
    assert answer.status == expected.status
    assert answer.seconds < (fault.within if expected.within is None else expected.within) + slack
    _check_cookie(answer, operation, expected)
    if expected.status == 503:
        assert int(answer.header("retry-after") or "") >= 1
        assert answer.json["status"] == 503
        assert answer.header("cache-control") == "no-store"
    elif expected.status == 401:
        assert answer.json["code"] == "invalid_token"
    elif expected.policy == "open" or expected.forgotten or operation.name in NOBODYS:
        assert answer.json.get("user") is None
        assert operation.name in BEGINS_AFTER_LOAD or answer.json["authenticated"] is False
    else:
        assert answer.json["user"] == {"login": "bob", "logout": None}.get(operation.name, "ann")
    if operation.name == "revoke" and expected.status == 200:
        assert not any(seen.live)
    if operation.name in LIMITS:
        assert seen.again == _again(expected)


def _again(expected: table.Outcome) -> list[int]:
    """What two more requests get under a limit of three, of which one was used before the fault and one in it."""
    if expected.policy == "closed":
        return [503, 503]
    return [200, 200] if expected.policy == "open" or expected.forgotten else [200, 429]


def _arguments(operation: str) -> dict[str, object]:
    match operation.split("-"):
        case ["load", "anonymous"]:
            return {"on_store_error": "anonymous"}
        case ["limit", on_store_error]:
            return limited(on_store_error)
    return {}


def limited(on_store_error: str) -> dict[str, object]:
    """The arguments of a middleware with a limit by address."""
    rule = RateLimit("3/hour", on_store_error=on_store_error)  # type: ignore[arg-type]
    return {"rate_limits": [rule], "failed_credentials": FailureBudget("100/minute")}


def _check_cookie(answer: Answer, operation: table.Operation, expected: table.Outcome) -> None:
    cookie = answer.header("set-cookie")
    if expected.status == 200 and operation.name in ("login", "logout", "create"):
        assert cookie is not None
        assert ("expires=Thu, 01 Jan 1970" in cookie) == (operation.name == "logout")
    else:
        assert cookie is None
