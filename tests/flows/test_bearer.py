"""JWTs of an issuer: who they are for the application, and what they are answered when they are not good."""

from typing import Any

import pytest

from asgi_session import JWTVerifier, KeysUnavailable, RateLimit, SessionClosed
from tests.support.asgi import exchange, http_scope
from tests.support.site import SITE, Browser, bearer, sessions, visiting
from tests.support.stores import WatchedStore
from tests.tokens.parts import ISSUER, NOW, SigningKey, StoppedClock, valid_claims, verifier_of

KEY = SigningKey("ES256")


async def test_a_token_is_a_principal() -> None:
    """Subject, issuer, scopes, roles and claims reach the handler; the store is never asked; nothing may be cached."""
    seen: list[Any] = []

    def look(scope: dict[str, Any]) -> None:
        seen.extend([scope["user"], scope["auth"].scopes, scope["asgi_session"]])

    store = WatchedStore()
    token = KEY.sign(valid_claims(realm_access={"roles": ["admin"]}))
    async with visiting(sessions({"/": look}, store=store, bearer=verifier_of(KEY)), headers=bearer(token)) as api:
        response = await api.get("/")
        again = await api.get("/")
    user, scopes, known = seen[:3]
    assert (user.identity, user.issuer, user.is_authenticated, user.display_name) == ("user-1", ISSUER, True, "ann")
    assert set(scopes) == {"authenticated", "openid", "email", "role:admin"}
    assert (known.credential, known.verdict.reason, known.claims["jti"]) == ("bearer-jwt", "valid", "token-1")
    assert seen[5].verdict.cached
    for answer in (response, again):
        assert answer.varies_by() == {"authorization"}
        assert answer.get("cache-control") == "no-store"
    assert not store.calls


async def test_a_token_has_no_session() -> None:
    """Whoever tries to keep something there, or to log in, is told why not."""

    async def keep(scope: dict[str, Any]) -> None:
        with pytest.raises(SessionClosed, match="authenticated by a token"):
            await scope["session"].login("alice")
        scope["session"]["a"] = 1
        with pytest.raises(SessionClosed, match="authenticated by a token"):
            await scope["session"].save()
        scope["session"].clear()

    async with visiting(sessions({"/": keep}, bearer=verifier_of(KEY)), headers=bearer(KEY.sign())) as api:
        assert (await api.get("/")).all("set-cookie") == []


@pytest.mark.security("JW-17")
async def test_a_bad_token_is_told_so() -> None:
    """401 with `invalid_token`, whatever is wrong with it, and one that has expired says so."""
    clock = StoppedClock()
    expired = KEY.sign(valid_claims(exp=NOW - 600, iat=NOW - 900))
    bad = [KEY.sign(valid_claims(aud="other")), KEY.sign()[:-4] + "AAAA", "a.b.c", "opaque"]
    async with visiting(sessions(bearer=verifier_of(KEY, clock=clock))) as browser:
        for token in [expired, *bad]:
            response = await browser.get("/read", headers=bearer(token))
            challenge = response.get("www-authenticate") or ""
            assert response.status == 401
            assert challenge.startswith('Bearer realm="api", error="invalid_token"')
            assert ("expired" in challenge) == (token == expired)
            assert response.json()["code"] == "invalid_token"
            assert "authorization" in response.varies_by()


async def test_keys_that_can_not_be_had_are_no_verdict() -> None:
    """503 with Retry-After: nothing is said about the token (design rule 1)."""

    class NoKeys:
        issuer = ISSUER

        def problems(self) -> list[Any]:
            return []

        async def start(self) -> None: ...

        async def stop(self) -> None: ...

        def cached(self, token: str, context: object, max_age: float) -> None: ...

        async def verify(self, token: str, context: object) -> Any:
            raise KeysUnavailable("The issuer does not answer.", retry_after=7)

    async with visiting(sessions(bearer=NoKeys()), headers=bearer(KEY.sign())) as api:
        response = await api.get("/read")
    assert (response.status, response.get("retry-after"), response.get("www-authenticate")) == (503, "7", None)


@pytest.mark.security("ID-11", "CS-07")
async def test_a_bearer_beats_the_cookie_and_needs_no_csrf_check() -> None:
    """With both, the token decides and the session plays no part: no cross-site check, no session data, no Set-Cookie."""
    store = WatchedStore()
    async with visiting(sessions(store=store, bearer=verifier_of(KEY))) as browser:
        await browser.get("/login?alice")
        store.calls.clear()
        headers = [*bearer(KEY.sign()), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]
        seen = await browser.post("/who", headers=headers)
        assert seen.status == 200
        assert (seen.json()["user"], seen.json()["credential"]) == ("user-1", "bearer-jwt")
        assert seen.all("set-cookie") == []
        assert not store.calls
        bad = await browser.post("/who", headers=bearer(KEY.sign(valid_claims(aud="other"))))
        assert bad.status == 401  # never falls back to the cookie
        cookie_only = await browser.post("/who", headers=[("sec-fetch-site", "cross-site")])
        assert cookie_only.status == 403


@pytest.mark.security("CS-07")
async def test_a_bearer_for_somebody_else_does_not_lift_the_check() -> None:
    """Where no verifier is set up, a foreign token says nothing about the request: it rides on the cookie and is checked."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        headers = [*bearer("some-token-of-the-application"), ("sec-fetch-site", "cross-site")]
        assert (await browser.post("/count", headers=headers)).status == 403
        assert (await browser.post("/count", headers=bearer("some-token-of-the-application"))).status == 200


async def test_two_issuers_with_the_same_subject_are_two_users() -> None:
    """A quota per user is per issuer and subject."""
    other = SigningKey("ES256", number=1)
    verifiers = [verifier_of(KEY)]
    second = "https://other.example.org/realms/demo"
    keys = {"keys": [other.public()]}
    verifiers.append(JWTVerifier(second, audience="api", jwks=keys, clock=StoppedClock()))
    app = sessions(SITE, bearer=verifiers, rate_limits=[RateLimit("1/day", key="user")])
    async with visiting(app) as browser:
        assert (await browser.get("/read", headers=bearer(KEY.sign()))).status == 200
        assert (await browser.get("/read", headers=bearer(other.sign(valid_claims(iss=second))))).status == 200
        assert (await browser.get("/read", headers=bearer(KEY.sign()))).status == 429


async def test_other_schemes_are_the_applications_business() -> None:
    """Basic, Digest, one that only begins like Bearer, twice or once: the cookie decides."""
    async with visiting(sessions(bearer=verifier_of(KEY))) as browser:
        await browser.get("/login?alice")
        for values in (["Basic dTpw"], ["Digest a=b"], ["Bearerish x"], [""], ["Basic dTpw", "Digest a=b"]):
            seen = await browser.get("/who", headers=[("authorization", value) for value in values])
            assert seen.json()["user"] == "alice"


async def test_a_session_id_as_bearer_that_is_unknown_gets_401() -> None:
    """An API client is told that its session is over; a browser would just be a visitor again."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        credential = browser.credential
        api = Browser(browser.app, headers=bearer(credential))
        assert (await api.get("/read")).status == 200
        await browser.post("/logout")
        for refused in (credential, credential[:-1] + ("A" if credential[-1] != "A" else "E")):
            response = await exchange(browser.app, http_scope(headers=bearer(refused), path="/read"))
            assert (response.status, response.json()["code"]) == (401, "invalid_token")
            assert "invalid_token" in (response.get("www-authenticate") or "")
