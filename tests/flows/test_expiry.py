"""Time: idle and absolute limits, sliding, and clocks that go wrong.

On a clock of the test's own, and without the cache, which has the machine's.
"""

from typing import Any

import pytest

from asgi_session import Lifetimes, SessionMiddleware
from asgi_session.cache.policy import CachePolicy
from asgi_session.stores.memory import MemoryStore
from tests.support.clock import DAY, StoppedClock
from tests.support.site import SITE, Browser, cookies_named, sessions, visiting
from tests.support.stores import WatchedStore

UNCACHED = CachePolicy(enabled=False)
PRESETS = {"aal1": (30 * DAY, 30 * DAY), "aal2": (3600.0, DAY), "aal3": (900.0, 12 * 3600.0)}


@pytest.fixture
def clock() -> StoppedClock:
    """The time of the test."""
    return StoppedClock()


def site(clock: StoppedClock, **options: Any) -> SessionMiddleware:
    """The usual site on the test's time."""
    return sessions(SITE, store=WatchedStore(clock=clock), cache=UNCACHED, **options)


async def is_alice(browser: Browser) -> bool:
    """Whether the browser's own cookie, expired or not, still opens alice's session."""
    seen = (await browser.get("/who")).json()
    return bool(seen["user"] == "alice")


@pytest.mark.security("LC-03")
@pytest.mark.parametrize(("preset", "limits"), PRESETS.items(), ids=PRESETS)
async def test_idle_limit_to_the_second(clock: StoppedClock, preset: str, limits: tuple[float, float]) -> None:
    """A second before the idle timeout the session lives, at it and after it it does not."""
    assert getattr(Lifetimes, preset)() == Lifetimes(*limits)
    for late, alive in ((-1, True), (0, False), (1, False)):
        async with visiting(site(clock, idle_timeout=limits[0], absolute_timeout=limits[1])) as browser:
            await browser.get("/login?alice")
            clock.advance(limits[0] + late)
            assert await is_alice(browser) is alive


@pytest.mark.security("LC-03", "LC-04")
@pytest.mark.parametrize("preset", ["aal2", "aal3"])
async def test_absolute_limit_to_the_second_whatever_happens(clock: StoppedClock, preset: str) -> None:
    """Requests, saves and renewed ids keep a session awake, but never past its absolute end."""

    def renew(scope: dict[str, Any]) -> None:
        scope["session"]["n"] = clock.wall
        scope["session"].regenerate_id()

    idle, absolute = PRESETS[preset]
    for late, alive in ((-1, True), (0, False), (1, False)):
        store = WatchedStore(clock=clock)
        app = sessions({**SITE, "/renew": renew}, store=store, cache=UNCACHED, idle_timeout=idle, absolute_timeout=absolute)
        async with visiting(app) as browser:
            await browser.get("/login?alice")
            end = clock.wall + absolute
            for path in ("/who", "/count", "/renew") * int(absolute // idle):
                clock.advance(idle / 3 - 1)
                await browser.get(path)
            while end + late - clock.wall > idle / 2:
                clock.advance(idle / 2)
                assert await is_alice(browser)
            clock.advance(end + late - clock.wall)
            assert await is_alice(browser) is alive


@pytest.mark.security("LC-03")
async def test_both_limits_are_always_finite(clock: StoppedClock) -> None:
    """By default two weeks idle and a month in all; a session cookie without Max-Age ends in the store all the same."""
    async with visiting(site(clock, max_age=None)) as browser:
        response = await browser.get("/login?alice")
        assert "max-age" not in response.all("set-cookie")[0].lower()
        clock.advance(14 * DAY)
        assert not await is_alice(browser)
        await browser.get("/login?alice")
        for _ in range(3):
            clock.advance(9 * DAY)
            assert await is_alice(browser)
        clock.advance(3 * DAY)
        assert not await is_alice(browser)


@pytest.mark.security("LC-05", "ID-06")
async def test_the_server_decides_not_the_browser(clock: StoppedClock) -> None:
    """A cookie that somebody kept past its time is no session, although nothing has removed the record yet."""
    store = WatchedStore(clock=clock)
    async with visiting(sessions(store=store, cache=UNCACHED, idle_timeout=600, absolute_timeout=3600)) as browser:
        await browser.get("/login?alice")
        assert store.holds() == 1
        clock.advance(600)
        assert store.holds() == 1  # nobody cleaned up
        assert not await is_alice(browser)
        response = await browser.get("/count")
        assert len(cookies_named(response)) == 1


@pytest.mark.security("LC-06")
async def test_a_clock_that_steps_back_extends_nothing(clock: StoppedClock) -> None:
    """Reads and saves while the clock is an hour slow leave the end where it was."""
    async with visiting(site(clock, idle_timeout=600, absolute_timeout=900)) as browser:
        await browser.get("/login?alice")
        (before,) = await browser.app.manager.list_for_user("alice")
        clock.advance(-3600)
        assert await is_alice(browser)
        await browser.get("/count")
        (after,) = await browser.app.manager.list_for_user("alice")
        assert after.expires_at == before.expires_at
        clock.advance(3600 + 600)
        assert not await is_alice(browser)


@pytest.mark.security("LC-06")
async def test_a_minute_of_skew_is_tolerated(clock: StoppedClock) -> None:
    """Another worker's clock is a minute behind the one that made the session: it is valid there at once."""
    behind = StoppedClock(clock.wall - 60)
    store = MemoryStore(clock=clock)
    async with visiting(sessions(store=store, cache=UNCACHED)) as browser:
        await browser.get("/login?alice")
        store._clock = behind
        assert await is_alice(browser)
        await browser.get("/count")
        assert await is_alice(browser)


async def test_sliding_is_rare(clock: StoppedClock) -> None:
    """Reads inside a twentieth of the idle timeout don't move its end; the next one does (design rule 8)."""
    async with visiting(site(clock, idle_timeout=1000)) as browser:
        await browser.get("/login?alice")
        (first,) = await browser.app.manager.list_for_user("alice")
        clock.advance(49)
        await browser.get("/who")
        (unmoved,) = await browser.app.manager.list_for_user("alice")
        clock.advance(1)
        await browser.get("/who")
        (moved,) = await browser.app.manager.list_for_user("alice")
    assert unmoved.expires_at == first.expires_at
    assert moved.expires_at == first.expires_at + 50


@pytest.mark.security("ID-06")
async def test_the_cookie_never_outlives_the_session(clock: StoppedClock) -> None:
    """Max-Age is the idle timeout, what is left of the absolute one, or 400 days: the least of them, also after a renewal."""

    def renew(scope: dict[str, Any]) -> None:
        scope["session"].regenerate_id()

    async def age(**options: Any) -> float | None:
        async with visiting(
            sessions({**SITE, "/renew": renew}, store=MemoryStore(clock=clock), cache=UNCACHED, **options)
        ) as browser:
            await browser.get("/login?alice")
            clock.advance(500)
            await browser.get("/renew")
            (cookie,) = browser.jar
            return cookie.expires

    assert await age(max_age=1000) == 1000
    assert await age(max_age=1000, absolute_timeout=900) == 400
    assert await age(max_age=400 * 86_400, absolute_timeout=400 * 86_400) == 400 * 86_400 - 500
    assert await age(max_age=1000 * 86_400, idle_timeout=DAY) == 30 * DAY - 500


async def test_a_faithful_reader_stays_signed_in(clock: StoppedClock) -> None:
    """Somebody who only reads, every day: the cookie is renewed along with the session, at most once per half of its Max-Age."""
    async with visiting(site(clock)) as browser:
        await browser.get("/login?alice")
        renewals = 0
        for _ in range(29):
            clock.advance(DAY)
            browser.jar.now += DAY
            response = await browser.get("/ignore")
            renewals += len(cookies_named(response))
            assert await is_alice(browser)
    assert 2 <= renewals <= 4


@pytest.mark.parametrize("max_age", [0, -1])
async def test_no_lifetime_below_one_means_for_ever(clock: StoppedClock, max_age: int) -> None:
    """A session of no time ends before it begins: nothing is kept, and a browser forgets the cookie at once (design rule 10)."""
    store = WatchedStore(clock=clock)
    async with visiting(sessions(store=store, cache=UNCACHED, max_age=max_age)) as browser:
        response = await browser.get("/count")
        line = response.get("set-cookie")
        assert len(browser.jar) == 0
        assert store.holds() == 0
        if line is not None:
            assert (await browser.request("GET", "/read", cookie=line.partition(";")[0])).json() == {}
