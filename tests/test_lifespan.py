"""Start and stop: with the application's lifespan, or without one."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette

from asgi_session import ConfigurationError, JWTVerifier, SessionMiddleware, StoreError, StoreUnavailable
from asgi_session import lifespan as lifespan_module
from asgi_session.lifespan import Lifespan
from tests.support.asgi import Conversation, exchange, http_scope
from tests.support.site import SECRET, SITE, Browser, sessions
from tests.support.stores import WatchedStore

SCOPE = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}


class Part:
    """Something with a life of its own, and a diary."""

    def __init__(self, name: str, diary: list[str], *, start: Exception | None = None, stop: Exception | None = None) -> None:
        self.name = name
        self.diary = diary
        self.on_start = start
        self.on_stop = stop

    async def start(self) -> None:
        self.diary.append(f"start {self.name}")
        if self.on_start is not None:
            raise self.on_start

    async def stop(self) -> None:
        self.diary.append(f"stop {self.name}")
        if self.on_stop is not None:
            raise self.on_stop


class StartingStore(WatchedStore):
    """A store whose starts fail one after another, as long as there are errors for them."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors: Iterator[Exception] = iter(errors)
        self.starts = self.stops = 0

    async def start(self) -> None:
        self.starts += 1
        error = next(self.errors, None)
        if error is not None:
            raise error

    async def stop(self) -> None:
        self.stops += 1


async def no_lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that knows http alone, and says so as frameworks do."""
    assert scope["type"] == "http"


async def test_parts_start_in_order_and_stop_in_the_opposite_one() -> None:
    """So that each finds what it needs."""
    diary: list[str] = []
    lifespan = Lifespan([Part("a", diary), Part("b", diary)], ())
    await lifespan.start()
    await lifespan.start()
    assert lifespan.is_started()
    await lifespan.stop()
    assert diary == ["start a", "start b", "stop b", "stop a"]
    assert not lifespan.is_started()


async def test_a_hundred_first_requests_start_once() -> None:
    """They all wait for the same start."""
    store = StartingStore()
    app = sessions(store=store)
    await asyncio.gather(*(exchange(app, http_scope(path="/read")) for _ in range(100)))
    await app.shutdown()
    assert (store.starts, store.stops) == (1, 1)


async def test_a_request_that_is_cancelled_does_not_stop_the_start() -> None:
    """The others are still waiting for it."""
    entered, proceed = asyncio.Event(), asyncio.Event()

    class Slow:
        async def start(self) -> None:
            entered.set()
            await proceed.wait()

        async def stop(self) -> None: ...

    lifespan = Lifespan([Slow()], ())
    first, second = asyncio.ensure_future(lifespan.start()), asyncio.ensure_future(lifespan.start())
    await entered.wait()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    proceed.set()
    await second
    assert lifespan.is_started()


async def test_one_part_that_can_not_stop_does_not_keep_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Its error is logged."""
    diary: list[str] = []
    lifespan = Lifespan([Part("a", diary), Part("b", diary, stop=LookupError("stuck"))], ())
    await lifespan.start()
    await lifespan.stop()
    assert diary[-2:] == ["stop b", "stop a"]
    assert "did not stop in order" in caplog.text


@pytest.mark.security("AV-10")
async def test_a_part_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time that each part has, 5 s."""
    assert lifespan_module.STOP_TIMEOUT == 5.0
    monkeypatch.setattr(lifespan_module, "STOP_TIMEOUT", 0.01)

    class Hanging:
        async def start(self) -> None: ...

        async def stop(self) -> None:
            await asyncio.Event().wait()

    diary: list[str] = []
    lifespan = Lifespan([Part("a", diary), Hanging()], ())
    await lifespan.start()
    async with asyncio.timeout(2):
        await lifespan.stop()
    assert diary == ["start a", "stop a"]


@pytest.mark.security("AV-10")
async def test_nothing_is_left_running(redis_url: str) -> None:
    """After the lifespan's end there is no task but the test's own, whatever the requests have left behind."""
    before = asyncio.all_tasks()
    app = sessions(store=redis_url)
    async with Conversation(app, dict(SCOPE)) as server:
        server.say("lifespan.startup")
        assert (await server.hear())["type"] == "lifespan.startup.complete"
        browser = Browser(app)
        await browser.get("/login?alice")
        await browser.get("/who")
        server.say("lifespan.shutdown")
        assert (await server.hear())["type"] == "lifespan.shutdown.complete"
        await server.ended()
    assert asyncio.all_tasks() == before


@pytest.mark.security("AV-09")
async def test_a_bad_configuration_keeps_the_server_from_starting() -> None:
    """`lifespan.startup.failed` with every mistake and its remedy; the application is never asked."""
    app = SessionMiddleware(no_lifespan, "", same_site="none", https_only=False, store="tape://", path="x", csrf=None)  # type: ignore[arg-type]
    async with Conversation(app, dict(SCOPE)) as server:
        server.say("lifespan.startup")
        failed = await server.hear()
        await server.ended()
    assert failed["type"] == "lifespan.startup.failed"
    for argument in ("secret_key", "https_only", "store", "path", "csrf"):
        assert f"- {argument}: " in failed["message"]
    with pytest.raises(ConfigurationError) as refused:
        await app.initialize()
    assert len(refused.value.problems) == 5
    with pytest.raises(ConfigurationError):
        await exchange(app, http_scope())


@pytest.mark.security("AV-09")
async def test_a_store_that_refuses_us_keeps_the_server_from_starting() -> None:
    """A wrong password is a mistake that nobody should find out by the first request; what has started is stopped again."""
    store = StartingStore(StoreError("WRONGPASS"))
    async with Conversation(sessions(store=store), dict(SCOPE)) as server:
        server.say("lifespan.startup")
        failed = await server.hear()
        await server.ended()
    assert failed == {"type": "lifespan.startup.failed", "message": "WRONGPASS"}
    assert store.stops == 1


@pytest.mark.security("AV-09")
async def test_a_store_or_issuer_that_is_down_does_not() -> None:
    """The server starts, pages without credentials work, and the others are told to come back."""
    store = StartingStore(StoreUnavailable("down"))
    verifier = JWTVerifier("https://127.0.0.1:1/realms/none", audience="api")
    async with Conversation(sessions(store=store, bearer=verifier), dict(SCOPE)) as server:
        server.say("lifespan.startup")
        assert (await server.hear())["type"] == "lifespan.startup.complete"
        assert (await exchange(server._app, http_scope(path="/read"))).status == 200
        server.say("lifespan.shutdown")
        await server.ended()


async def test_the_start_is_tried_again_after_a_failure() -> None:
    """Without a lifespan: the first request fails aloud, the next one finds a store that has come to its senses."""
    store = StartingStore(StoreError("WRONGPASS"))
    app = sessions(store=store)
    with pytest.raises(StoreError):
        await exchange(app, http_scope(path="/read"))
    assert (await exchange(app, http_scope(path="/read"))).status == 200
    await app.shutdown()
    assert store.starts == 2


@pytest.mark.security("IN-15")
async def test_an_application_without_lifespan_gets_one() -> None:
    """It raises, or returns at once; the server hears complete, and at the end the sessions are closed."""

    async def silent(scope: dict[str, Any], receive: Any, send: Any) -> None:
        return

    for app in (no_lifespan, silent):
        store = StartingStore()
        async with Conversation(SessionMiddleware(app, SECRET, store=store), dict(SCOPE)) as server:
            server.say("lifespan.startup")
            assert (await server.hear())["type"] == "lifespan.startup.complete"
            assert (store.starts, store.stops) == (1, 0)
            server.say("lifespan.shutdown")
            assert (await server.hear())["type"] == "lifespan.shutdown.complete"
            await server.ended()
        assert store.stops >= 1


@pytest.mark.security("IN-15")
async def test_the_applications_own_lifespan_runs_inside() -> None:
    """It finds the sessions open at its start and at its end, and its state reaches the server."""
    store = StartingStore()
    seen: list[tuple[int, int]] = []

    @contextlib.asynccontextmanager
    async def own(app: Starlette) -> Any:
        seen.append((store.starts, store.stops))
        yield {"ready": True}
        seen.append((store.starts, store.stops))

    scope: dict[str, Any] = {**SCOPE, "state": {}}
    async with Conversation(SessionMiddleware(Starlette(lifespan=own), SECRET, store=store), scope) as server:
        server.say("lifespan.startup")
        assert (await server.hear())["type"] == "lifespan.startup.complete"
        server.say("lifespan.shutdown")
        assert (await server.hear())["type"] == "lifespan.shutdown.complete"
        await server.ended()
    assert seen == [(1, 0), (1, 0)]
    assert store.stops >= 1
    assert scope["state"] == {"ready": True}


async def test_an_application_that_fails_to_start_says_so_itself() -> None:
    """Its failure reaches the server, and the sessions are closed again."""
    store = StartingStore()

    @contextlib.asynccontextmanager
    async def own(app: Starlette) -> Any:
        raise LookupError("no database")
        yield

    async with Conversation(SessionMiddleware(Starlette(lifespan=own), SECRET, store=store), dict(SCOPE)) as server:
        server.say("lifespan.startup")
        failed = await server.hear()
        assert failed["type"] == "lifespan.startup.failed"
        assert "no database" in failed["message"]
        with pytest.raises(LookupError):
            await server.ended()
    assert store.stops >= 1


async def test_it_can_be_started_again_after_a_stop() -> None:
    """A second lifespan in the same process; the sessions in memory are still there."""
    app = sessions(SITE)
    browser = Browser(app)
    for visits in (1, 2):
        await app.initialize()
        assert (await browser.get("/count")).json() == visits
        await app.shutdown()


def test_an_event_loop_for_each_request() -> None:
    """Test clients do that: each loop is a start of its own, in memory and with the same sessions."""
    app = sessions(SITE)
    browser = Browser(app)
    assert [asyncio.run(browser.get("/count")).json() for _ in range(3)] == [1, 2, 3]


async def test_another_threads_loop_is_another_one() -> None:
    """What was opened on a loop is not open on a second one, also while the first is running."""
    lifespan = Lifespan([Part("a", [])], [])
    await lifespan.start()

    async def is_started() -> bool:
        return lifespan.is_started()

    assert lifespan.is_started()
    assert not await asyncio.to_thread(asyncio.run, is_started())


def test_an_event_loop_for_each_request_on_redis(redis_url: str) -> None:
    """The same on Redis, where each loop has connections of its own and leaves none of them open."""
    app = sessions(SITE, store=redis_url)
    browser = Browser(app)
    assert [asyncio.run(browser.get("/count")).json() for _ in range(3)] == [1, 2, 3]
    asyncio.run(app.shutdown())
