"""A verifier's mistakes, all said at once."""

from typing import Any

import pytest

from asgi_session.exceptions import ConfigurationError
from asgi_session.tokens import ClaimsPolicy, JWTVerifier, KeyPolicy
from tests.tokens.parts import ISSUER, SigningKey

RSA = SigningKey()


def problems(issuer: Any = ISSUER, **arguments: Any) -> list[str]:
    """The arguments that are wrong."""
    return [problem.field for problem in JWTVerifier(issuer, **{"audience": "api", **arguments}).problems()]


def test_an_issuer_and_an_audience_are_enough() -> None:
    """Everything else has a safe default."""
    assert problems() == []


@pytest.mark.security("JW-13")
@pytest.mark.parametrize("audience", ["", None, [], (), ["api", ""], ["api", 5], 5, "account", ["api", "account"]])
def test_audience_is_mandatory(audience: Any) -> None:
    """Neither none, nor an empty one, nor the one that every token of a Keycloak realm names."""
    assert problems(audience=audience) == ["audience"]


@pytest.mark.security("JW-25", "OA-09")
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        None,
        5,
        "id.example.org",
        "ftp://id.example.org",
        "http://id.example.org",
        "http://127.0.0.1:8080/realms/a",
        "https://",
        "https://user:password@id.example.org",
        "https://id.example.org/#x",
        "https://[::1",
    ],
)
def test_issuer_has_to_be_an_https_url(issuer: Any) -> None:
    """What the keys are fetched from can't be exchanged on the way."""
    assert problems(issuer) == ["issuer"]


def test_plain_http_is_allowed_by_name() -> None:
    """For development a policy says it in so many words."""
    assert problems("http://127.0.0.1:8080/realms/a", keys=KeyPolicy(insecure_http=True)) == []
    assert problems("ftp://127.0.0.1", keys=KeyPolicy(insecure_http=True)) == ["issuer"]


def test_issuer_need_not_be_a_url_where_keys_are_given() -> None:
    """A development issuer of the application's own may have any name."""
    assert problems("my-tests", jwks={"keys": [RSA.public()]}) == []


@pytest.mark.parametrize(
    "jwks",
    ["http://id.example.org/certs", "certs", {}, {"keys": {}}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AAAA"}]}, 5, []],
)
def test_jwks_has_to_be_a_url_or_a_set_of_usable_keys(jwks: Any) -> None:
    """A set without a key for the accepted algorithms could verify nothing."""
    assert problems(jwks=jwks) == ["jwks"]


def test_why_no_key_is_usable_is_said() -> None:
    """The reasons are given, the keys are not."""
    (problem,) = JWTVerifier("a", audience="api", jwks={"keys": [RSA.public(use="enc"), 5]}).problems()
    assert problem.message == "holds no usable key: not for signatures (use), not an object."


def test_every_mistake_is_said_at_once() -> None:
    """One start shows them all, in the order of the arguments."""
    wrong: dict[str, Any] = {
        "audience": "",
        "jwks": {"keys": [RSA.public()]},
        "algorithms": [],
        "authorized_parties": "web",
        "claims": ClaimsPolicy(leeway=3600),
        "keys": KeyPolicy(cooldown=0),
        "cache_size": -1,
        "cache_bytes": 0,
    }
    names = ["issuer", "audience", "algorithms", "authorized_parties", "claims.leeway", "keys.cooldown"]
    assert problems("", **wrong) == [*names, "cache_size", "cache_bytes"]
    assert problems(cache_size=True) == ["cache_size"]
    assert problems(cache_bytes=1.5) == ["cache_bytes"]


@pytest.mark.security("JW-01", "AV-09")
async def test_a_wrong_set_up_verifies_nothing() -> None:
    """Neither start nor verify goes on with mistakes; both say which."""
    verifier = JWTVerifier(ISSUER, audience="api", algorithms=[])
    for use in (verifier.start(), verifier.verify(RSA.sign())):
        with pytest.raises(ConfigurationError) as caught:
            await use
        assert [problem.field for problem in caught.value.problems] == ["algorithms"]
    assert verifier.cached(RSA.sign()) is None
    await verifier.stop()
