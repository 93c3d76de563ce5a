"""What an operator sees of one process: each number moves with what it counts, and with nothing else."""

from dataclasses import asdict
from typing import Any

import pytest

from asgi_session import CachePolicy, RateLimit, SessionManager, StoreUnavailable
from tests.support.site import SECRET, SITE, Browser, sessions, visiting
from tests.support.stores import WatchedStore


async def counted(browser: Browser) -> dict[str, Any]:
    """What the health of the browser's site tells."""
    return asdict((await browser.app.manager.health()).process)


async def test_requests_are_counted() -> None:
    """Hits and misses of the cache, and what it holds. A limiter of this process has nobody to ask."""
    app = sessions(SITE, rate_limits=[RateLimit("1000/minute", key="ip")])
    async with visiting(app) as browser:
        before = await counted(browser)
        assert set(before.values()) == {0}
        await browser.get("/login?alice")
        for _ in range(3):
            await browser.get("/read")
        seen = await counted(browser)
    assert (seen["cached"], seen["misses"] > 0, seen["hits"] >= 2) == (1, True, True)
    assert seen["cached_bytes"] > 1000
    assert [seen[name] for name in ("limits_asked", "evictions", "touches_dropped", "links_lost", "watched")] == [0] * 5


@pytest.mark.redis
async def test_questions_to_the_shared_limiter_are_counted(redis_url: str) -> None:
    """Fewer than there are requests, as permits come in batches."""
    async with visiting(sessions(SITE, store=redis_url, rate_limits=[RateLimit("1000/minute", key="ip")])) as browser:
        for _ in range(20):
            await browser.get("/read")
        assert 0 < (await counted(browser))["limits_asked"] < 20


async def test_what_did_not_fit_is_counted() -> None:
    """A cache that is too small says so."""
    async with visiting(sessions(SITE, cache=CachePolicy(max_entries=1))) as browser:
        for name in ("alice", "bob"):
            made = await browser.app.manager.create(name)
            await Browser(browser.app, headers=[("authorization", f"Bearer {made.credential}")]).get("/read")
        assert (await counted(browser))["evictions"] == 1


async def test_what_is_open_is_counted() -> None:
    """Sockets and streams that wait for the end of their session."""
    store = WatchedStore()
    async with visiting(sessions(SITE, store=store)) as browser:
        made = await browser.app.manager.create("alice")
        (record,) = await store.list_for_user("alice")
        assert record.key.handle == made.handle
        watch = browser.app._engine.watches.add(record)
        assert (await counted(browser))["watched"] == 1
        browser.app._engine.watches.remove(watch)
        assert (await counted(browser))["watched"] == 0


async def test_what_went_wrong_is_counted() -> None:
    """Touches that the store did not take, and links that broke."""
    store = WatchedStore()
    async with visiting(sessions(SITE, store=store)) as browser:
        touches = browser.app.manager._counters.touches
        assert touches is not None
        made = await browser.app.manager.create("alice")
        (record,) = await store.list_for_user("alice")
        store.failures["load"] = StoreUnavailable("down")
        touches.add(record.key)
        await touches.stop()
        store.link.lost += 1
        seen = await counted(browser)
    assert made.handle == record.key.handle
    assert (seen["touches_dropped"], seen["links_lost"]) == (1, 1)


async def test_a_manager_of_its_own_has_no_requests_to_count() -> None:
    """It has neither cache nor limiter; how the store does is told all the same."""
    async with SessionManager(SECRET, store="memory://") as manager:
        health = await manager.health()
    assert (health.state, health.latency, health.detail) == ("healthy", 0.0, "")
    assert set(asdict(health.process).values()) == {0}


async def test_without_a_cache_nothing_of_it_is_counted() -> None:
    """`CachePolicy(enabled=False)`."""
    async with visiting(sessions(SITE, cache=CachePolicy(enabled=False))) as browser:
        await browser.get("/login?alice")
        await browser.get("/read")
        seen = await counted(browser)
    assert (seen["cached"], seen["cached_bytes"], seen["hits"], seen["misses"]) == (0, 0, 0, 0)
