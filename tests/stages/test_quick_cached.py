"""What a session in the cache is good for: how long, for whom, and with nothing of it shared between two requests."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from asgi_session import SessionGone, StoreUnavailable, ValidationPolicy
from asgi_session.cache import touches
from asgi_session.ids import store_key
from asgi_session.stores.memory import MemoryStore
from tests.support.asgi import Conversation, Scope, respond
from tests.support.clock import StoppedClock
from tests.support.interleaving import SteppedStore
from tests.support.site import SITE, Browser, sessions, visiting
from tests.support.stores import Gate, WatchedStore

FIREFOX = (("user-agent", "Firefox/140.0"), ("accept-language", "en"), ("accept-encoding", "gzip, br"))
KNOWN = ["quick", True, "valid"]
ELSEWHERE = ["full", False, "context"]


def how(scope: Scope) -> Any:
    """How the request was judged."""
    return list(scope["asgi_session"].verdict)


async def fresh(scope: Scope) -> Any:
    """Ask the store itself, before something that matters."""
    try:
        await scope["session"].require_fresh()
    except SessionGone:
        return ["gone", *how(scope)]
    return ["fresh", *how(scope)]


PAGES = {**SITE, "/how": how, "/account": how, "/admin": how, "/admin/users": how, "/fresh": fresh}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """The clock of the middleware's parts; touches don't wait for another one."""
    clock = StoppedClock()
    monkeypatch.setattr("asgi_session.wiring.SYSTEM_CLOCK", clock)
    monkeypatch.setattr(touches, "GATHER", 0.0)
    return clock


async def known(browser: Browser) -> None:
    """Log in, and be served from the cache."""
    await browser.get("/login?alice")
    await browser.get("/how")
    assert (await browser.get("/how")).json() == KNOWN


async def asked(browser: Browser, *, client: str = "198.51.100.7", **headers: str) -> Any:
    """How a request with the browser's cookie is judged that comes from somewhere else or says something else."""
    lines = {**dict(FIREFOX), **{name.replace("_", "-"): value for name, value in headers.items()}}
    other = Browser(browser.app, headers=[(name, value) for name, value in lines.items() if value])
    scope = other.scope("GET", "/how", cookie=browser.cookie) | {"client": (client, 50000)}
    async with Conversation(browser.app, scope) as talk:
        talk.say("http.request", body=b"")
        return (await talk.ended()).json()


# -- for whom -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "difference",
    [
        {"user_agent": "curl/8"},
        {"user_agent": "Firefox/140.1"},
        {"user_agent": ""},
        {"accept_language": "de"},
        {"accept_encoding": "gzip"},
        {"client": "198.51.101.7"},
        {"client": "2001:db8::1"},
    ],
    ids=str,
)
@pytest.mark.security("LC-16")
async def test_who_comes_from_elsewhere_is_looked_at_each_time(difference: dict[str, str]) -> None:
    """Alternating with the owner, neither of them ever rides on a verdict about the other (design rule 9)."""
    store = WatchedStore()
    async with visiting(sessions(PAGES, store=store), headers=FIREFOX) as owner:
        await known(owner)
        loads = store.calls["load"]
        for _ in range(3):
            assert await asked(owner, **difference) == ELSEWHERE
            assert await asked(owner) == ELSEWHERE
        assert store.calls["load"] == loads + 6
        assert await asked(owner) == KNOWN


@pytest.mark.parametrize("difference", [{"accept": "text/html"}, {"referer": "https://app.example/"}], ids=str)
async def test_what_changes_from_page_to_page_is_no_other_context(difference: dict[str, str]) -> None:
    """What a browser says differently for an image and a page."""
    async with visiting(sessions(PAGES), headers=FIREFOX) as owner:
        await known(owner)
        assert await asked(owner, **difference) == KNOWN


async def test_one_network_is_one_context() -> None:
    """Behind a trusted proxy, the client's: of IPv6, where devices change their addresses all day, the first half counts."""
    async with visiting(sessions(PAGES, trusted_proxies=["198.51.100.0/24"]), headers=FIREFOX) as owner:
        await owner.get("/login?alice")
        for _ in range(2):
            await asked(owner, x_forwarded_for="2001:db8:1:2::5")
        assert await asked(owner, x_forwarded_for="2001:db8:1:2:3:4:5:6") == KNOWN
        assert await asked(owner, x_forwarded_for="2001:db8:1:3::5") == ELSEWHERE


async def test_elsewhere_while_the_store_is_down() -> None:
    """A stolen cookie gets no further by an outage; its owner is served as long as the link is believed."""
    store = WatchedStore()
    async with visiting(sessions(PAGES, store=store), headers=FIREFOX) as owner:
        await known(owner)
        store.failures["load"] = StoreUnavailable("down")
        thief = Browser(owner.app, headers=[("user-agent", "curl/8")])
        assert (await thief.request("GET", "/how", cookie=owner.cookie)).status == 503
        assert (await owner.get("/how")).json() == KNOWN


# -- how long -----------------------------------------------------------------------------------------------------------


async def test_full_validation_is_due_again(clock: StoppedClock) -> None:
    """After ``full_every`` seconds, however busy the session is."""
    policy = ValidationPolicy(full_every=12.0)
    async with visiting(sessions(PAGES, store=MemoryStore(clock=clock), validation=policy)) as browser:
        await known(browser)
        seen = []
        for _ in range(26):
            clock.advance(1.0)
            seen.append((await browser.get("/how")).json()[2])
        assert [second for second, reason in enumerate(seen, 1) if reason == "stale"] == [12, 24]


async def test_after_an_invalidation_the_verdict_says_so() -> None:
    """The request after another one's change is validated in full, once, and tells why."""
    async with visiting(sessions(PAGES, store=MemoryStore())) as browser:
        await known(browser)
        await browser.app.manager.update(browser.credential, {"a": 1})
        assert [(await browser.get("/how")).json() for _ in range(2)] == [["full", False, "invalidated"], KNOWN]


async def test_an_entry_that_is_too_old_makes_the_verdict_stale(clock: StoppedClock) -> None:
    """Whatever ends its time first: ``full_every``, or the age at which the cache loads it again."""
    async with visiting(sessions(PAGES, store=MemoryStore(clock=clock))) as browser:
        await known(browser)
        clock.advance(31.0)
        assert [(await browser.get("/how")).json() for _ in range(2)] == [["full", False, "stale"], KNOWN]


async def test_paths_that_are_always_validated_in_full() -> None:
    """The path itself, and what is below where that was asked for; they pay alone."""
    store = WatchedStore()
    policy = ValidationPolicy(always_full=["/account", "/admin/*"])
    async with visiting(sessions(PAGES, store=store, validation=policy)) as browser:
        await known(browser)
        answers = {path: (await browser.get(path)).json() for path in ("/account", "/admin", "/admin/users", "/how")}
        assert answers == {path: ["full", False, "route"] for path in ("/account", "/admin", "/admin/users")} | {"/how": KNOWN}


@pytest.mark.parametrize("age", [10, 60, 120, 300, 3600, 86_400])
async def test_an_active_visitor_keeps_session_and_cookie(clock: StoppedClock, age: int) -> None:
    """However short they live and however often the cache answers: both are renewed in time, the cookie once in its half-life."""
    store = WatchedStore(clock=clock)
    async with visiting(sessions(PAGES, store=store, max_age=age)) as browser:
        await browser.get("/login?alice")
        renewals = 0
        for _ in range(400):
            clock.advance(age / 100)
            browser.jar.now += age / 100
            response = await browser.get("/who")
            renewals += len(response.all("set-cookie"))
            assert response.json()["user"] == "alice"
            for _ in range(5):
                await asyncio.sleep(0)  # the touches leave
        assert 7 <= renewals <= 8
        assert store.calls["commit"] == 0


async def test_an_idle_visitor_is_over_in_time(clock: StoppedClock) -> None:
    """The cache does not prolong what it holds."""
    async with visiting(sessions(PAGES, store=MemoryStore(clock=clock), max_age=10)) as browser:
        await known(browser)
        clock.advance(9.9)
        assert (await browser.get("/who")).json()["user"] == "alice"
        clock.advance(10.0)
        assert (await browser.get("/who")).json()["user"] is None


class StoreWithoutTouches(SteppedStore):
    """It can't slide sessions by themselves."""

    touch = None  # type: ignore[assignment]


async def test_a_store_without_touches(clock: StoppedClock) -> None:
    """One that can't slide sessions by themselves: a load does it."""
    store = StoreWithoutTouches(MemoryStore(clock=clock))
    app = sessions(PAGES, store=store, max_age=100)
    async with visiting(app) as browser:
        await known(browser)
        clock.advance(6.0)
        assert (await browser.get("/how")).json() == ["full", False, "touch"]
        assert (await browser.get("/how")).json() == KNOWN


# -- what is asked for --------------------------------------------------------------------------------------------------


async def test_a_handler_may_ask_the_store_itself() -> None:
    """Whatever the cache believes: a session that ended without news is found out."""
    store = WatchedStore()
    async with visiting(sessions(PAGES, store=store)) as browser:
        await known(browser)
        loads = store.calls["load"]
        assert (await browser.get("/fresh")).json() == ["fresh", "full", False, "asked"]
        assert store.calls["load"] == loads + 1
        assert (await browser.get("/how")).json() == KNOWN
        store._forget(store_key(browser.credential.partition(".")[0]))
        assert (await browser.get("/how")).json() == KNOWN
        assert (await browser.get("/fresh")).json() == ["gone", "full", False, "absent"]
        assert (await browser.get("/how")).json() == ["full", False, "absent"]
    async with visiting(sessions(PAGES)) as browser:
        assert (await browser.get("/fresh")).json() == ["gone", "quick", False, "anonymous"]


async def test_a_handler_that_finds_the_end_tells_the_sockets() -> None:
    """What was found out without news is news from then on, to everybody in this process."""
    store = WatchedStore()
    async with visiting(sessions(PAGES, store=store)) as browser:
        await known(browser)
        key = store_key(browser.credential.partition(".")[0])
        record = await store.load(key)
        assert record is not None
        watch = browser.app._engine.watches.add(record)
        asked = store.calls["load"]
        while store.calls["load"] == asked:
            await asyncio.sleep(0)  # the first look finds it alive
        store._forget(key)
        assert not watch.ended.is_set()
        await browser.get("/fresh")
        assert watch.ended.is_set()


@pytest.mark.parametrize("path", ["/fresh", "/account"])
async def test_who_asks_for_what_is_slow_pays_alone(path: str) -> None:
    """While the store takes its time over one request, others of the same session are served from the cache."""
    store = WatchedStore()
    policy = ValidationPolicy(always_full=["/account"])
    async with visiting(sessions(PAGES, store=store, validation=policy)) as browser:
        await known(browser)
        gate = store.gates["load"] = Gate()
        slow = asyncio.ensure_future(browser.get(path))
        await gate.reached.wait()
        for _ in range(10):
            assert (await browser.get("/how")).json() == KNOWN
        assert not slow.done()
        gate.opened.set()
        assert (await slow).status == 200


# -- nothing shared -----------------------------------------------------------------------------------------------------


def spoil(scope: Scope) -> Any:
    """Change what hangs deep inside, and everything else that a handler can get hold of."""
    session = scope["session"]
    session["cart"]["items"].append("planted")
    session["cart"]["new"] = {"planted": True}
    dict.__setitem__(session, "plain", "planted")
    return "spoiled"


async def explode(scope: Scope) -> Any:
    """The same, and fail."""
    spoil(scope)
    raise ZeroDivisionError


def begin(scope: Scope) -> Any:
    """Fill a cart."""
    scope["session"]["cart"] = {"items": ["apple"]}
    scope["session"]["plain"] = "text"


async def stream(scope: Scope, receive: Any, send: Any) -> None:
    """Change the session in the middle of a response, and wait for the client before its end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    spoil(scope)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await receive()
    raise ConnectionAbortedError


async def serve_error(scope: Scope, receive: Any, send: Any) -> None:
    """Catch one's own exception, as frameworks do around handlers, and answer for it."""
    spoil(scope)
    scope["session"]["cart"] = {"items": ["saved on purpose"]}
    await respond(send, "sorry", status=500)


CART = {"cart": {"items": ["apple"]}, "plain": "text"}


def shop() -> Callable[[Scope, Any, Any], Any]:
    """Pages over one session, each of which treats it badly in its own way."""
    inner = sessions({**PAGES, "/begin": begin, "/explode": explode})

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        special = {"/stream": stream, "/error": serve_error}.get(scope["path"])
        await (special or inner.app)(scope, receive, send)

    return app


@pytest.mark.security("ST-12")
async def test_what_a_failed_request_did_is_seen_by_nobody() -> None:
    """It changed nested values of a session that is served from the cache, and saved none of it."""
    async with visiting(sessions(shop())) as browser:
        await browser.get("/begin")
        await browser.get("/how")
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await browser.get("/explode")
            assert (await browser.get("/how")).json() == KNOWN
            assert (await browser.get("/read")).json() == CART


@pytest.mark.security("ST-12")
async def test_what_is_under_way_is_seen_by_nobody_else() -> None:
    """A request that has changed its session, and saved nothing yet, beside another one of the same session."""
    async with visiting(sessions(shop())) as browser:
        await browser.get("/begin")
        await browser.get("/how")
        async with Conversation(browser.app, browser.scope("GET", "/stream")) as talk:
            await talk.hear()
            await talk.hear()
            assert (await browser.get("/read")).json() == CART
            talk.say("http.disconnect")
            with pytest.raises(ConnectionAbortedError):
                await talk.ended()
        assert (await browser.get("/read")).json() == CART


async def test_an_error_page_is_a_response_like_any_other() -> None:
    """What the application changed before it sent one is its decision, and is saved."""
    async with visiting(sessions(shop())) as browser:
        await browser.get("/begin")
        assert (await browser.get("/error")).status == 500
        assert (await browser.get("/read")).json() == {"cart": {"items": ["saved on purpose"]}, "plain": "planted"}


@pytest.mark.security("ST-12", "AV-08")
async def test_a_principal_is_nobodys_to_change() -> None:
    """Requests of one session share it, so it refuses; and scopes can't be added to it."""

    def promote(scope: Scope) -> Any:
        with pytest.raises(AttributeError):
            scope["user"]._identity = "root"
        with pytest.raises(AttributeError):
            scope["auth"].scopes.append("admin")
        return [scope["user"].identity, list(scope["auth"].scopes)]

    async with visiting(sessions({**PAGES, "/promote": promote})) as browser:
        await known(browser)
        for _ in range(2):
            assert (await browser.get("/promote")).json() == ["alice", ["authenticated"]]
