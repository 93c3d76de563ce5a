"""The parts of the fault tests: an application whose Redis can be harmed, and a way to put sessions beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from asgi_session import SessionManager, SessionMiddleware, SessionStore
from tests.faults.redis_faults import RedisRig, never_ready
from tests.faults.site import Site
from tests.services.fault_proxy import FaultProxy
from tests.services.redis import RedisServer, started

SECRET = "correct-horse-battery-staple-0123456789"

MakeMiddleware = Callable[..., SessionMiddleware]


@pytest.fixture(scope="module")
def harmed_redis() -> Iterator[RedisServer]:
    """A Redis of this module, which keeps its data, and in which the tests undo what they did.

    What it has answered it has written, so that a kill loses nothing of it; it does not wait for the disk, which may be busy.
    """
    server = started(lambda: RedisServer("--appendonly", "yes", "--appendfsync", "no"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def loading_redis() -> Iterator[RedisServer]:
    """A Redis that is still loading when the module is over."""
    server = never_ready()
    yield server
    server.stop()


@pytest.fixture
async def rig(harmed_redis: RedisServer, loading_redis: RedisServer) -> AsyncIterator[RedisRig]:
    """An empty Redis behind a proxy."""
    harmed_redis.cli.flushall()
    async with FaultProxy(harmed_redis.port) as proxy:
        rig = RedisRig(harmed_redis, loading_redis, proxy)
        yield rig
        await rig.end()


@asynccontextmanager
async def making_middlewares() -> AsyncIterator[MakeMiddleware]:
    """What makes middlewares around a `Site`, and shuts them down at its end; takes the arguments of `SessionMiddleware`."""
    async with AsyncExitStack() as stack:

        def make(**arguments: Any) -> SessionMiddleware:
            middleware = SessionMiddleware(Site(), SECRET, **arguments)
            stack.push_async_callback(middleware.shutdown)
            return middleware

        yield make


@pytest.fixture
async def make_middleware() -> AsyncIterator[MakeMiddleware]:
    """See `making_middlewares`; they are shut down after the test."""
    async with making_middlewares() as make:
        yield make


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Demands that no task of the package outlives the test's middlewares (ask for it before them)."""
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if "asgi_session" in repr(task.get_coro())}
    assert not left


async def new_session(store: SessionStore | str, user: str | None = "ann") -> str:
    """The credential of a session that another process made, with one value in it."""
    async with SessionManager(SECRET, store=store) as manager:
        made = await manager.create(user, {"name": "value"})
    assert made.credential is not None
    return made.credential
