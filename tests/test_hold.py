"""A store object that several users share."""

import gc

import pytest

from asgi_session import CachePolicy, SessionManager, SessionStore
from asgi_session.hold import Hold
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.support.site import SECRET, sessions, visiting


class Thing:
    """Open or not."""

    is_open = False

    async def start(self) -> None:
        self.is_open = True

    async def stop(self) -> None:
        self.is_open = False


async def test_the_last_one_closes() -> None:
    """However often each of them starts and stops it."""
    thing = Thing()
    first, second = Hold(thing), Hold(thing)
    for hold in (first, second, first):
        await hold.start()
    await first.stop()
    await first.stop()
    assert thing.is_open
    await second.stop()
    assert not thing.is_open


async def test_who_never_began_closes_what_nobody_holds() -> None:
    """A store opens with its first use, also without a start."""
    thing = Thing()
    thing.is_open = True
    await Hold(thing).stop()
    assert not thing.is_open


async def test_a_forgotten_user_holds_nothing() -> None:
    """It is gone without having let go."""
    thing = Thing()
    await Hold(thing).start()
    gc.collect()
    last = Hold(thing)
    await last.start()
    await last.stop()
    assert not thing.is_open


@pytest.fixture
def store(redis_url: str, namespace: str) -> SessionStore:
    """A store that can't be used once it is closed."""
    return RedisStore(RedisClient(redis_url), namespace=namespace)


@pytest.mark.redis
async def test_a_job_that_is_done_leaves_the_requests_their_store(store: SessionStore) -> None:
    """A manager of its own on the same store, or the middleware's own: neither closes it under the middleware."""
    async with visiting(sessions(store=store, cache=CachePolicy(enabled=False))) as browser:
        await browser.get("/login?alice")
        async with SessionManager(SECRET, store=store) as manager:
            assert len(await manager.list_for_user("alice")) == 1
        async with browser.app.manager as manager:  # type: ignore[attr-defined]
            assert len(await manager.list_for_user("alice")) == 1
        assert (await browser.get("/who")).json()["user"] == "alice"


@pytest.mark.redis
async def test_the_other_of_two_middlewares_goes_on(store: SessionStore) -> None:
    """With its store and its invalidation link."""
    async with visiting(sessions(store=store)) as stays:
        await stays.get("/login?alice")
        async with visiting(sessions(store=store)) as goes:
            await goes.get("/read")
        assert (await stays.get("/who")).json()["user"] == "alice"
