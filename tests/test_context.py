"""What is known about a request, for the stages and for handlers."""

from typing import Any

import pytest

from asgi_session import RateLimit, SessionManager
from asgi_session.context import NOTHING_PRESENTED, RequestContext
from asgi_session.ratelimit.base import Decision, Quota
from tests.support.asgi import exchange, http_scope
from tests.support.site import SITE, bearer, sessions, visiting
from tests.tokens.parts import ISSUER, SigningKey, verifier_of

KEY = SigningKey("ES256")


async def test_what_a_handler_finds_out_about_a_visitor() -> None:
    """Nobody, without a word presented, from this address; and the way to the sessions of others."""
    seen: list[Any] = []
    async with visiting(sessions({"/": lambda scope: seen.append(scope["asgi_session"])})) as browser:
        await browser.get("/")
        (known,) = seen
        assert known.manager is browser.app.manager
    assert isinstance(known.manager, SessionManager)
    assert (known.credential, known.verdict, known.token, known.claims) == ("anonymous", NOTHING_PRESENTED, None, None)
    assert (known.client_ip, list(known.rate_limits)) == ("198.51.100.7", [])


def test_decisions_have_names_for_whoever_looks() -> None:
    """What the stages noted in short is a `Decision` for handlers."""
    known = RequestContext()
    known._told = [(Quota("100-per-minute-ip", 100, 60), True, 99, 12.5, None)]
    [decision] = known.rate_limits
    assert isinstance(decision, Decision)
    assert (decision.name, decision.limit, decision.remaining, decision.reset_after) == ("100-per-minute-ip", 100, 99, 12.5)


async def test_rules_see_who_asks() -> None:
    """A key function gets the scope, the address, the user and the session's handle; a token's user is issuer and subject."""
    seen: list[Any] = []

    def look(subject: Any) -> str:
        seen.append((subject.scope["path"], subject.client_ip, subject.user_id, subject.session_key))
        return "all"

    app = sessions(SITE, bearer=verifier_of(KEY), rate_limits=[RateLimit("100/day", key=look)])
    async with visiting(app) as browser:
        await browser.get("/read")
        await browser.get("/login?alice")
        await browser.get("/who")
        await browser.get("/who", headers=bearer(KEY.sign()))
        (stored,) = await browser.app.manager.list_for_user("alice")
    assert seen == [
        ("/read", "198.51.100.7", None, None),
        ("/login", "198.51.100.7", None, None),
        ("/who", "198.51.100.7", "alice", stored.handle),
        ("/who", "198.51.100.7", f"{ISSUER}\0user-1", None),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        RateLimit("9/day", cost=lambda request: 1 if request.user_id or request.session_key else 5),
        RateLimit("1/day", key=lambda request: request.user_id or request.session_key or request.client_ip, stage="edge"),
    ],
    ids=["cost", "key"],
)
async def test_a_rule_at_the_edge_sees_nobody_yet(rule: RateLimit) -> None:
    """User and session are None there, whoever asks: also for somebody who has logged in."""
    async with visiting(sessions(rate_limits=[rule])) as browser:
        assert (await browser.get("/login?alice")).status == 200
        assert (await browser.get("/read")).status == 429


async def test_a_key_function_may_return_the_number_of_a_row() -> None:
    """`user.id` is a number in most databases."""
    app = sessions(rate_limits=[RateLimit("1/day", key=lambda request: len(request.scope["path"]))])
    async with visiting(app) as browser:
        assert [(await browser.get(path)).status for path in ("/read", "/read", "/count")] == [200, 429, 200]


async def test_the_address_behind_trusted_proxies() -> None:
    """The one that the last trusted proxy saw; without trust, the connection's."""
    seen: list[Any] = []
    for trusted, address in (((), "10.0.0.1"), (("10.0.0.0/8",), "203.0.113.5")):
        app = sessions({"/": lambda scope: seen.append(scope["asgi_session"].client_ip)}, trusted_proxies=trusted)
        forwarded = [("x-forwarded-for", "1.2.3.4, 203.0.113.5")]
        await exchange(app, http_scope(client=("10.0.0.1", 1), headers=forwarded))
        await app.shutdown()
        assert seen.pop() == address


async def test_looking_at_it_is_no_access_to_the_session() -> None:
    """Rules that count by user and session leave the page cacheable for visitors."""
    rules = [RateLimit("100/day", key="user"), RateLimit("100/day", key="session")]
    async with visiting(sessions(rate_limits=rules)) as browser:
        response = await browser.get("/ignore")
    assert response.all("vary") == []
