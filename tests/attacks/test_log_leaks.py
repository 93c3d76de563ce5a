"""What ends in logs, errors and bodies: nothing secret, and nothing that forges a line."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session import CSRFPolicy, FailureBudget, RateLimit, SessionValueError, StoreUnavailable
from asgi_session.stages.base import Rejection
from tests.support.asgi import exchange, http_scope, respond
from tests.support.examples import examples
from tests.support.site import COOKIE, SECRET, SITE, Browser, bearer, pages, sessions, visiting
from tests.support.stores import WatchedStore
from tests.tokens.parts import SigningKey, valid_claims, verifier_of

KEY = SigningKey("ES256")
VALUE = "canary-value-4711"
USER = "canary-user@example.com"
SITE_ALONE = pages(SITE)


async def keep(scope: dict[str, Any]) -> None:
    """Put the canary into the session."""
    scope["session"]["pin"] = VALUE
    scope["session"]["deep"] = {"pin": [VALUE]}


async def renew(scope: dict[str, Any]) -> None:
    """A new id, by the way."""
    scope["session"].regenerate_id()


def unstorable(scope: dict[str, Any]) -> None:
    """A mistake next to the canary."""
    scope["session"]["mistake"] = {VALUE}


async def enter(scope: dict[str, Any]) -> None:
    """Log in the user with a name that must not be told."""
    await scope["session"].login(USER, keep=["pin", "deep"])


async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The usual pages, and one that changes the session too late."""
    if scope["path"] == "/late":
        await respond(send)
        scope["session"]["pin"] = VALUE + "2"
        return
    handlers = {"/keep": keep, "/renew": renew, "/unstorable": unstorable, "/enter": enter}
    await (pages(handlers) if scope["path"] in handlers else SITE_ALONE)(scope, receive, send)


def bodies_and_headers(response: Any) -> str:
    """Everything that the client was told, but its own cookie."""
    shown = [(name, value) for name, value in response.start.get("headers") or () if name != b"set-cookie"]
    return f"{shown} {response.body!r}"


@pytest.mark.security("LG-01")
async def test_no_secret_shows_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    """The whole life of a session and every error path, with all loggers at DEBUG: no canary in logs, errors or refusals."""
    caplog.set_level(logging.DEBUG)
    store = WatchedStore()
    canaries = {SECRET, VALUE}
    told: list[str] = []
    tokens = [KEY.sign(), KEY.sign(valid_claims(aud="other")), KEY.sign(valid_claims(exp=1)), KEY.sign()[:-8] + "AAAAAAAA"]
    canaries |= set(tokens) | {token.rpartition(".")[2] for token in tokens}
    app = sessions(
        late, store=store, bearer=verifier_of(KEY), rate_limits=[RateLimit("200/day"), RateLimit("200/day", key="session")],
        failed_credentials=FailureBudget("20/day"), csrf=CSRFPolicy(strict=True),
    )  # fmt: skip
    async with visiting(app) as browser:

        async def ask(path: str, *, method: str = "GET", **parts: Any) -> None:
            try:
                response = await browser.request(method, path, **parts)
            except (StoreUnavailable, SessionValueError) as error:
                told.append(f"{error!r} {error}")
            else:
                told.append(bodies_and_headers(response))
            for cookie in browser.jar:
                canaries.update((cookie.value, cookie.value.partition(".")[0][3:], cookie.value.partition(".")[2]))

        for path in ("/keep", "/enter", "/who", "/renew", "/late", "/unstorable"):
            await ask(path)
        (stored,) = await app.manager.list_for_user(USER)
        told.append(repr(stored))
        for step in ("load", "commit", "create", "regenerate", "destroy"):
            store.failures[step] = StoreUnavailable("The store does not answer.")
            for path in ("/who", "/keep", "/enter", "/renew", "/late", "/logout"):
                await ask(path)
            store.failures.clear()
        await ask("/read", method="POST")
        await ask("/read", method="POST", headers=[("sec-fetch-site", "cross-site")])
        for token in [*tokens, "a b", browser.credential, browser.credential[:-1] + "A"]:
            await ask("/who", headers=bearer(token))
        for cookie in (f"{browser.cookie}; {browser.cookie}", f"{COOKIE}={browser.credential[:-1]}A", f"{COOKIE}={VALUE}"):
            await ask("/who", cookie=cookie)
        await app.manager.revoke_user(USER)
        await ask("/who")
        for _ in range(25):
            await ask("/who", cookie=f"{COOKIE}={VALUE}")
        told += [repr(app), repr(app.manager), repr(app.manager._engine.signer), str(vars(app.manager))]
    written = "\n".join(logging.Formatter("%(message)s %(args)s").format(record) for record in caplog.records)
    assert caplog.records
    canaries -= {"", "null"}
    for canary in canaries:
        assert canary not in written, f"a log line holds {canary[:12]}…"
        for text in told:
            assert canary not in text, f"{text[:80]}… holds {canary[:12]}…"
    assert USER not in written


CONTROL = "\r\n\x1b\x00\u2028\u2029\x85"


@pytest.mark.security("LG-03")
@examples(100, shared_fixtures=True)
@given(st.text(CONTROL + "ab", min_size=1, max_size=8))
async def test_no_request_forges_a_line(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Line ends and escape sequences in method, path, headers and addresses stay out of every message."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    app = sessions(bearer=verifier_of(KEY))
    browser = Browser(app)
    await browser.get("/login?alice")
    raw = text.encode()
    base = browser.scope("POST", "/read", headers=[("sec-fetch-site", "cross-site")])
    poisoned = [
        base | {"method": text},
        base | {"path": "/" + text},
        base | {"client": (text, 1)},
        *(base | {"headers": [*base["headers"], (name, raw)]} for name in (b"user-agent", b"origin", b"cookie", b"host", b"x-a")),
        http_scope(headers=bearer(KEY.sign(valid_claims(aud=text)))),
        http_scope(headers=bearer(KEY.sign(valid_claims(), kid=text))),
        http_scope(headers=bearer(KEY.sign(valid_claims(iss=text)))),
    ]
    for scope in poisoned:
        await exchange(app, scope)
    await app.shutdown()
    for record in caplog.records:
        if record.name.startswith("asgi_session"):
            assert not set(record.getMessage()) & set(CONTROL), record.getMessage()


@pytest.mark.security("LG-05")
async def test_refusals_are_short_whatever_was_sent() -> None:
    """Ten million characters of token, cookie or method: an answer below 1 KiB that repeats none of it."""
    huge = "A" * 10_000_000
    app = sessions(bearer=verifier_of(KEY))
    scopes = [
        http_scope(headers=bearer(huge)),
        http_scope(headers=bearer(f"{huge}.{huge}.{huge}")),
        http_scope(headers=bearer(f"eyJhbGciOiJFUzI1NiJ9.{huge[:12_000]}.AAAA")),
    ]
    for scope in scopes:
        response = await exchange(app, scope)
        assert response.status in (400, 401)
        assert len(response.body) <= 1024
        assert len(response.get("www-authenticate") or "") <= 1024
        assert b"AAAAAAAA" not in response.body
    await app.shutdown()


@pytest.mark.security("LG-05")
def test_what_a_problem_says_is_valid_json() -> None:
    """However it came about."""
    body = Rejection(400, "Bad\r\nRequest", "code", 'quote " and \\ and \u2028')._problem()
    assert json.loads(body)["title"] == "Bad\r\nRequest"
    assert b"\n" not in body
