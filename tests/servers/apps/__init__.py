"""One small application in five frameworks: same routes, same answers.

=====================  ==========================================================================================
POST /count            adds one to ``session["count"]``
POST /note/{text}      appends to a list deep inside a value: ``session["notes"]["list"]``
POST /login/{user}     ``await session.login(user, keep=["count"])``
POST /logout           ``await session.logout()``
POST /replace          puts another mapping into the session's place, as the framework does it
POST /clear            empties the session, as the framework does it
GET  /session          user, handle and data
GET  /stream           changes the session after the first byte has left
WS   /socket           counts before it accepts and after each message; answers each message with the count
lifespan               prints when it starts and when it ends, by the framework's own means (``alive``)
=====================  ==========================================================================================
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from asgi_session import SessionMiddleware

KEEP = ["count"]
_OF_SERVERS = re.compile("/(uvicorn|hypercorn|granian|asyncio)/[^ ]+\\.py:")
"""The servers' own tasks, by the file of their coroutine."""
SECRET_KEY = "a key for tests, long enough to be no matter of concern"


def with_sessions(app: Any) -> "TaskReport":
    """``app`` with the middleware around it; misconfigured on purpose where ``MISTAKEN`` is set."""
    if os.environ.get("MISTAKEN"):
        return TaskReport(SessionMiddleware(app, "", same_site="none", https_only=False))
    return TaskReport(SessionMiddleware(app, SECRET_KEY, store=os.environ.get("STORE", "memory://")))


class TaskReport:
    """Prints which tasks the middleware has left when it says that it has stopped."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self.app = app
        self._before: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
        self._before = asyncio.all_tasks()

        async def report(message: Any) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                left = [repr(task) for task in asyncio.all_tasks() - self._before]
                print("stopped, tasks left:", [task for task in left if not _OF_SERVERS.search(task)], flush=True)
            await send(message)

        return await self.app(scope, receive, report)


@asynccontextmanager
async def alive(app: Any = None) -> AsyncIterator[None]:
    """What every framework's lifespan does."""
    print("the application starts", flush=True)
    yield
    print("the application ends", flush=True)


def count(session: dict[str, Any]) -> int:
    """Add one; what every framework's handlers do."""
    session["count"] = session.get("count", 0) + 1
    return int(session["count"])


def note(session: dict[str, Any], text: str) -> list[str]:
    """Append to a list that hangs deep inside a value: no key of the session is assigned after the first time."""
    notes: list[str] = session.setdefault("notes", {"list": []})["list"]
    notes.append(text)
    return notes


def shown(session: Any, user: Any) -> dict[str, Any]:
    """What GET /session answers."""
    return {"user": user.identity if user.is_authenticated else None, "handle": session.handle, "data": dict(session)}
