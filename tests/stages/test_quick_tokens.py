"""What a token that was verified a moment ago is good for: how long, where, and for whom."""

from typing import Any

import pytest

from asgi_session import JWTVerifier, ValidationPolicy
from asgi_session.tokens import KeyPolicy
from tests.support.asgi import Scope, exchange
from tests.support.site import SITE, Browser, bearer, sessions, visiting
from tests.tokens.parts import AUDIENCE, ISSUER, NOW, FakeProvider, SigningKey, StoppedClock, valid_claims, verifier_of

KEY = SigningKey("ES256")
FIREFOX = (("user-agent", "Firefox/140.0"), ("accept-language", "en"), ("accept-encoding", "gzip, br"))
KNOWN = ["quick", True, "valid"]
VERIFIED = ["full", False, "valid"]
ELSEWHERE = ["full", False, "context"]
STALE = ["full", False, "stale"]
ROUTE = ["full", False, "route"]


def how(scope: Scope) -> Any:
    """How the request was judged."""
    return list(scope["asgi_session"].verdict)


PAGES = {**SITE, "/how": how, "/admin": how, "/admin/users": how}


@pytest.fixture
def clock() -> StoppedClock:
    """The verifier's clock."""
    return StoppedClock()


async def asked(owner: Browser, token: str, *, client: str = "198.51.100.7", **headers: str) -> Any:
    """How a request with the token is judged that comes from somewhere else or says something else."""
    lines = {**dict(FIREFOX), **{name.replace("_", "-"): value for name, value in headers.items()}}
    other = Browser(owner.app, headers=[*((name, value) for name, value in lines.items() if value), *bearer(token)])
    return (await exchange(owner.app, other.scope("GET", "/how") | {"client": (client, 50000)})).json()


@pytest.mark.parametrize(
    "difference",
    [
        {"user_agent": "curl/8"},
        {"user_agent": ""},
        {"accept_language": "de"},
        {"accept_encoding": "gzip"},
        {"client": "198.51.101.7"},
        {"client": "2001:db8::1"},
    ],
    ids=str,
)
@pytest.mark.security("LC-16")
async def test_who_comes_from_elsewhere_is_verified_each_time(difference: dict[str, str], clock: StoppedClock) -> None:
    """Alternating with the owner, neither of them ever rides on a verdict about the other (design rule 9)."""
    token, verifier = KEY.sign(), verifier_of(KEY, clock=clock)
    async with visiting(sessions(PAGES, bearer=verifier)) as owner:
        assert await asked(owner, token) == VERIFIED
        assert await asked(owner, token) == KNOWN
        for _ in range(3):
            assert await asked(owner, token, **difference) == ELSEWHERE
            assert await asked(owner, token) == ELSEWHERE
        assert verifier.stats().signatures == 7
        assert await asked(owner, token) == KNOWN


async def test_what_changes_from_call_to_call_is_no_other_context() -> None:
    """What one client says differently for two resources."""
    token = KEY.sign()
    async with visiting(sessions(PAGES, bearer=verifier_of(KEY))) as owner:
        await asked(owner, token)
        assert await asked(owner, token, accept="text/html", referer="https://app.example/") == KNOWN


async def test_full_validation_of_a_token_is_due_again(clock: StoppedClock) -> None:
    """After ``full_every`` seconds, however busy it is."""
    policy = ValidationPolicy(full_every=12.0)
    verifier = verifier_of(KEY, clock=clock)
    async with visiting(sessions(PAGES, bearer=verifier, validation=policy), headers=bearer(KEY.sign())) as api:
        seen = []
        for _ in range(26):
            seen.append((await api.get("/how")).json())
            clock.advance(1.0)
        assert {second: how for second, how in enumerate(seen) if how != KNOWN} == {0: VERIFIED, 12: STALE, 24: STALE}
        assert verifier.stats().signatures == 3


async def test_a_token_is_verified_at_each_request() -> None:
    """With ``full_every=0``."""
    verifier = verifier_of(KEY)
    async with visiting(
        sessions(PAGES, bearer=verifier, validation=ValidationPolicy(full_every=0)), headers=bearer(KEY.sign())
    ) as api:
        assert [(await api.get("/how")).json() for _ in range(3)] == [VERIFIED, STALE, STALE]
    assert verifier.stats().signatures == 3


async def test_paths_where_tokens_are_always_verified() -> None:
    """The path itself, and what is below where that was asked for; they pay alone."""
    verifier = verifier_of(KEY)
    policy = ValidationPolicy(always_full=["/admin/*"])
    async with visiting(sessions(PAGES, bearer=verifier, validation=policy), headers=bearer(KEY.sign())) as api:
        await api.get("/how")
        paths = ("/admin", "/how", "/admin/users", "/admin/users", "/how")
        assert [(await api.get(path)).json() for path in paths] == [ROUTE, KNOWN, ROUTE, ROUTE, KNOWN]
        assert verifier.stats().signatures == 4


@pytest.mark.security("JW-26")
async def test_a_known_token_ends_at_its_expiry(clock: StoppedClock) -> None:
    """To the second; what the leeway still lets pass was looked at, and the rest is told so."""
    policy = ValidationPolicy(full_every=3600)
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign(valid_claims(exp=NOW + 100))
    async with visiting(sessions(PAGES, bearer=verifier, validation=policy), headers=bearer(token)) as api:
        await api.get("/how")
        clock.advance(99)
        assert (await api.get("/how")).json() == KNOWN
        clock.advance(1)
        assert (await api.get("/how")).json() == VERIFIED
        clock.advance(30)
        response = await api.get("/how")
    assert response.status == 401
    assert "expired" in (response.get("www-authenticate") or "")


@pytest.mark.security("JW-23", "JW-26")
async def test_a_known_token_ends_with_its_key(clock: StoppedClock) -> None:
    """A key that the provider withdrew takes along what it vouched for, at the refresh that is due by then."""
    old, new = SigningKey("EdDSA", "old"), SigningKey("EdDSA", "new", number=1)
    provider = FakeProvider(old, new)
    verifier = JWTVerifier(ISSUER, audience=AUDIENCE, keys=KeyPolicy(max_age=100), clock=clock, fetch=provider.fetch)
    app = sessions(PAGES, bearer=verifier, validation=ValidationPolicy(full_every=3600))
    token = old.sign()
    async with visiting(app, headers=bearer(token)) as api:
        await api.get("/how")
        await api.get("/how")
        provider.entries = [new.public()]
        clock.advance(69)
        assert (await api.get("/how")).json() == KNOWN
        clock.advance(31)
        assert [(await api.get("/how")).status for _ in range(2)] == [401, 401]
    assert verifier.stats().cached == 0
