"""Plainly bad, or known to be good? Without asking anybody."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session import CachePolicy, ValidationPolicy
from tests.support.asgi import exchange, http_scope
from tests.support.site import COOKIE, SITE, Browser, bearer, sessions, visiting
from tests.support.stores import WatchedStore

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.security("IN-05")
@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=120) | st.text(ALPHABET + ".", min_size=90, max_size=90)
)
async def test_what_we_did_not_sign_costs_no_store_call(value: str) -> None:
    """Malformed or forged, as a cookie or as a bearer: the store never hears of it."""
    store = WatchedStore()
    app = sessions(store=store, failed_credentials=None)
    for headers in ([("cookie", f"{COOKIE}={value}")], bearer(value)):
        await exchange(app, http_scope(path="/who", headers=headers))
    await app.shutdown()
    assert not store.calls


@pytest.mark.security("IN-05")
async def test_a_credential_has_one_spelling() -> None:
    """Each change of a single character, each other base64 spelling of the same bytes, and any addition is refused unseen."""
    store = WatchedStore()
    async with visiting(sessions(store=store, failed_credentials=None)) as browser:
        await browser.get("/login?alice")
        good = browser.credential
        store.calls.clear()
        spellings = {good[:at] + other + good[at + 1 :] for at in range(len(good)) for other in "AQgw09_-~.="} - {good}
        for last in (len(good) - 1, good.index(".") - 1):
            spellings |= {good[:last] + other + good[last + 1 :] for other in ALPHABET} - {good}
        spellings |= {
            good + "=",
            good + " ",
            good + "\0",
            "=" + good,
            good.upper(),
            good.lower(),
            f'"{good}"',
            good.replace(".", ".."),
        }
        for spelling in spellings - {good}:
            response = await exchange(browser.app, http_scope(path="/who", headers=[("cookie", f"{COOKIE}={spelling}")]))
            if spelling != good + " ":  # white space around a value belongs to the header, not to the value
                assert response.json()["user"] is None, spelling
        assert store.calls["load"] <= 1


@pytest.mark.security("LC-02")
async def test_a_credential_signed_with_another_secret_is_nobodys() -> None:
    """Anonymous for a browser, 401 for an API client."""
    async with visiting(sessions(secret_key="another secret of the tests, as long as a real one is")) as stranger:
        await stranger.get("/login?alice")
        foreign = stranger.credential
    async with visiting(sessions()) as browser:
        seen = (await browser.request("GET", "/who", cookie=f"{COOKIE}={foreign}")).json()
        assert (seen["user"], seen["reason"]) == (None, "unsigned")
        assert (await Browser(browser.app, headers=bearer(foreign)).get("/who")).status == 401


async def test_a_rotated_secret_still_opens_old_sessions() -> None:
    """The first secret signs, all verify; once the old one is gone, so are its sessions."""
    store = WatchedStore()
    old, new = ("an old secret of the tests, of decent length", "a new secret of the tests, of decent length")
    async with visiting(sessions(store=store, secret_key=old)) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
    async with visiting(sessions(store=store, secret_key=[new, old])) as browser:
        assert (await browser.request("GET", "/who", cookie=cookie)).json()["user"] == "alice"
        await browser.get("/login?bob")
        renewed = browser.cookie
    async with visiting(sessions(store=store, secret_key=new)) as browser:
        assert (await browser.request("GET", "/who", cookie=cookie)).json()["user"] is None
        assert (await browser.request("GET", "/who", cookie=renewed)).json()["user"] == "bob"


def verdict(scope: dict[str, Any]) -> Any:
    """How the request was judged, and who it is."""
    known = scope["asgi_session"].verdict
    return [known.tier, known.cached, known.reason, scope["session"].user_id]


JUDGING = {**SITE, "/verdict": verdict, "/account": verdict, "/account/deep": verdict}
KNOWN = ["quick", True, "valid", "alice"]


async def test_a_session_is_validated_once_and_then_known() -> None:
    """The first request asks the store, those after it don't."""
    store = WatchedStore()
    async with visiting(sessions(JUDGING, store=store)) as browser:
        await browser.get("/login?alice")
        first = (await browser.get("/verdict")).json()
        loads = store.calls["load"]
        assert [(await browser.get("/verdict")).json() for _ in range(10)] == [KNOWN] * 10
        assert store.calls["load"] == loads
        assert first[3] == "alice"


ELSEWHERE = [("user-agent", "curl/8"), ("accept-language", "xx"), ("accept-encoding", "zz")]


async def test_a_stolen_cookie_does_not_ride_on_its_owners_verdict() -> None:
    """Another user agent, language, encoding or network is validated in full at once (design rule 9)."""
    store = WatchedStore()
    async with visiting(sessions(JUDGING, store=store), headers=[("user-agent", "Firefox/140.0")]) as owner:
        await owner.get("/login?alice")
        await owner.get("/verdict")
        assert (await owner.get("/verdict")).json() == KNOWN
        for name, value in ELSEWHERE:
            loads = store.calls["load"]
            scope = http_scope(path="/verdict", headers=[("cookie", owner.cookie), (name, value)])
            assert (await exchange(owner.app, scope)).json() == ["full", False, "context", "alice"]
            assert store.calls["load"] == loads + 1
        far = owner.scope("GET", "/verdict") | {"client": ("203.0.113.9", 1)}
        assert (await exchange(owner.app, far)).json() == ["full", False, "context", "alice"]


async def test_some_paths_are_always_validated_in_full() -> None:
    """Exactly, or with everything below."""
    store = WatchedStore()
    policy = ValidationPolicy(always_full=["/account/*"])
    async with visiting(sessions(JUDGING, store=store, validation=policy)) as browser:
        await browser.get("/login?alice")
        await browser.get("/verdict")
        for path, expected in (("/account/deep", ["full", False, "route", "alice"]), ("/verdict", KNOWN)):
            assert (await browser.get(path)).json() == expected


async def test_how_often_a_session_is_validated_in_full() -> None:
    """`full_every=0`: at each request; without the cache likewise."""
    for options, reason in (
        ({"validation": ValidationPolicy(full_every=0)}, "stale"),
        ({"cache": CachePolicy(enabled=False)}, "valid"),
    ):
        store = WatchedStore()
        async with visiting(sessions(JUDGING, store=store, **options)) as browser:
            await browser.get("/login?alice")
            await browser.get("/verdict")
            loads = store.calls["load"]
            for _ in range(3):
                assert (await browser.get("/verdict")).json() == ["full", False, reason, "alice"]
            assert store.calls["load"] == loads + 3


async def test_that_a_session_is_gone_is_remembered_too() -> None:
    """For a moment, so that a dead cookie which is sent again and again costs the store nothing; a bearer is told 401."""
    store = WatchedStore()
    async with visiting(sessions(JUDGING, store=store)) as browser:
        await browser.get("/login?alice")
        dead = browser.cookie
        await browser.post("/logout")
        await browser.request("GET", "/verdict", cookie=dead)
        loads = store.calls["load"]
        for _ in range(3):
            assert (await browser.request("GET", "/verdict", cookie=dead)).json() == ["quick", True, "absent", None]
            assert (await browser.get("/verdict", headers=bearer(dead.partition("=")[2]))).status == 401
        assert store.calls["load"] == loads
