"""Several issuers side by side."""

import pytest

from asgi_session.exceptions import ConfigurationError, TokenInvalid
from asgi_session.tokens import Issuers, JWTVerifier
from tests.tokens.parts import AUDIENCE, FakeProvider, SigningKey, StoppedClock, valid_claims

A, B = SigningKey("EdDSA", "a"), SigningKey("EdDSA", "b", number=1)


def verifier(issuer: str, key: SigningKey) -> JWTVerifier:
    """A verifier of one key."""
    return JWTVerifier(issuer, audience=AUDIENCE, jwks={"keys": [key.public()]}, clock=StoppedClock())


def token(issuer: object, key: SigningKey) -> str:
    """A token that says it comes from that issuer."""
    return key.sign({**valid_claims(), "iss": issuer})


@pytest.mark.security("JW-12", "JW-16")
async def test_each_token_is_judged_by_its_issuers_verifier() -> None:
    """Either issuer's tokens pass, and neither issuer can make tokens of the other."""
    issuers = Issuers([verifier("https://a", A), verifier("https://b", B)])
    assert len(issuers) == 2
    assert (await issuers.verify(token("https://a", A))).issuer == "https://a"
    assert (await issuers.verify(token("https://b", B))).issuer == "https://b"
    for forged, reason in (
        (token("https://b", A), "unknown_key"),
        (B.sign({**valid_claims(), "iss": "https://b"}, kid="a"), "unknown_key"),
        (token("https://c", A), "issuer"),
        (token("https://a/", A), "issuer"),
        (token(["https://a"], A), "issuer"),
        ("no.token", "format"),
    ):
        with pytest.raises(TokenInvalid) as caught:
            await issuers.verify(forged)
        assert caught.value.reason == reason


async def test_verified_tokens_of_all_issuers_are_known_again() -> None:
    """The memory of each verifier is asked."""
    issuers = Issuers([verifier("https://a", A), verifier("https://b", B)])
    verified = await issuers.verify(token("https://b", B))
    assert issuers.cached(token("https://b", B)) is verified
    assert issuers.cached(token("https://a", A)) is None
    assert issuers.lookup()(token("https://b", B), None, 60) is verified


async def test_verdicts_of_all_issuers_are_bound_to_their_context() -> None:
    """Whether there are several or one, asked directly."""
    here, elsewhere = (b"curl/8", "198.51.100.7"), (b"curl/8", "203.0.113.9")
    for issuers in (Issuers([verifier("https://b", B), verifier("https://a", A)]), Issuers([verifier("https://a", A)])):
        verified = await issuers.verify(token("https://a", A), here)
        lookup = issuers.lookup()
        assert lookup(token("https://a", A), here, 60) is verified
        assert lookup(token("https://a", A), elsewhere, 60) is None
        assert lookup(token("https://a", A), here, 0) is None


async def test_one_issuer_needs_no_choice() -> None:
    """A single verifier judges everything itself."""
    issuers = Issuers([verifier("https://a", A)])
    assert await issuers.verify(token("https://a", A))
    with pytest.raises(TokenInvalid) as caught:
        await issuers.verify(token("https://b", B))
    assert caught.value.reason == "issuer"


async def test_no_issuer_accepts_nothing() -> None:
    """Without verifiers every token is foreign."""
    with pytest.raises(TokenInvalid):
        await Issuers([]).verify(token("https://a", A))


def test_double_issuers_are_said() -> None:
    """A verifier behind another of the same issuer would never be asked."""
    issuers = Issuers([verifier("https://a", A), JWTVerifier("https://a", audience="")])
    assert [problem.field for problem in issuers.problems()] == ["bearer"]
    assert [v.issuer for v in issuers.verifiers] == ["https://a", "https://a"]


async def test_start_and_stop_reach_every_verifier() -> None:
    """All keys are fetched at the start; a wrong verifier is said there."""
    providers = [FakeProvider(A, issuer="https://a"), FakeProvider(B, issuer="https://b")]
    issuers = Issuers([JWTVerifier(p.issuer, audience=AUDIENCE, fetch=p.fetch, clock=StoppedClock()) for p in providers])
    await issuers.start()
    assert await issuers.verify(token("https://a", A))
    assert await issuers.verify(token("https://b", B))
    assert [provider.key_fetches for provider in providers] == [1, 1]
    await issuers.stop()
    with pytest.raises(ConfigurationError):
        await Issuers([JWTVerifier("https://a", audience="")]).start()


async def test_stop_reaches_the_others_where_one_fails() -> None:
    """A third party's verifier that can't be stopped leaves no task of its neighbours behind."""

    class Stubborn(JWTVerifier):
        async def stop(self) -> None:
            raise RuntimeError("stuck")

    provider = FakeProvider(A, issuer="https://a")
    neighbour = JWTVerifier("https://a", audience=AUDIENCE, fetch=provider.fetch)
    await neighbour.start()
    with pytest.raises(RuntimeError, match="stuck"):
        await Issuers([Stubborn("https://b", audience=AUDIENCE), neighbour]).stop()


async def test_why_a_token_is_verified_again() -> None:
    """Its own verifier says so, and one that can't explain itself is no obstacle."""

    class Silent:
        issuer = "https://silent"

    issuers = Issuers([Silent(), verifier("https://a", A), verifier("https://b", B)])
    known = token("https://b", B)
    assert issuers.why_again(known, ("here",)) == ""
    await issuers.verify(known, ("here",))
    assert issuers.why_again(known, ("here",)) == "stale"
    assert issuers.why_again(known, ("there",)) == "context"
    assert issuers.why_again(token("https://a", A), ("here",)) == ""
