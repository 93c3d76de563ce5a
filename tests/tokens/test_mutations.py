"""Tokens spoilt at random: each is refused, or says exactly what was signed; nothing but our own errors leaves the verifier.

``TEST_EXAMPLES=100000`` runs the number that the security table asks for.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens.refusals import REFUSALS
from tests.support.examples import examples
from tests.tokens.parts import AUDIENCE, ISSUER, NOW, SigningKey, segment, valid_claims, verifier_of

KEYS = [SigningKey(name, name) for name in ("RS256", "PS256", "ES256", "EdDSA")]
TOKENS = [key.sign() for key in KEYS]
VERIFIER = verifier_of(*KEYS, cache_size=16)

many = examples(300)


def outcome(token: str) -> str:
    """`accepted`, or the reason of the refusal; any other error fails the test. Known keys never make a verification wait."""
    verification = VERIFIER.verify(token)
    with pytest.raises((StopIteration, TokenInvalid)) as caught:
        verification.send(None)
    if not isinstance(caught.value, TokenInvalid):
        return "accepted"
    assert str(caught.value) == REFUSALS[caught.value.reason]
    return caught.value.reason


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A good token with a few edits: characters, cuts, doublings, segments exchanged with other tokens."""
    token = draw(st.sampled_from(TOKENS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(token)))
        to = min(len(token), at + draw(st.integers(0, 5)))
        token = token[:at] + draw(st.text(max_size=4) | st.text("AZaz09-_.=", max_size=4)) + token[to:]
    if draw(st.booleans()):
        parts = token.split(".")
        parts[draw(st.integers(0, len(parts) - 1))] = draw(st.sampled_from(TOKENS)).split(".")[draw(st.integers(0, 2))]
        token = ".".join(parts)
    return token


@pytest.mark.security("JW-03", "JW-04", "JW-29")
@many
@given(spoilt())
def test_no_spoilt_token_passes(token: str) -> None:
    """Unless the edits undid each other, a changed token is refused, with a reason of the table."""
    result = outcome(token)
    assert (result == "accepted") == (token in TOKENS)
    assert result != "internal"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([ISSUER, AUDIENCE, NOW]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "nbf", "azp", "client_id", "jti", "sid", "typ", "cnf", "scope", "name")
ROLES = ("realm_access", "resource_access", "events", "nonce", "preferred_username")


@pytest.mark.security("JW-09", "JW-10", "JW-29", "OA-26")
@many
@given(st.dictionaries(st.sampled_from((*CLAIMS, *ROLES)), JSON, max_size=5), st.sampled_from(["at+jwt", "JWT", "ID", None]))
def test_signed_nonsense_brings_no_foreign_error(changes: dict[str, Any], header_type: str | None) -> None:
    """The issuer signs anything in place of a claim: accepted with proper types, or refused."""
    token = KEYS[3].sign({**valid_claims(), **changes}, typ=header_type)
    result = outcome(token)
    assert result != "internal"
    if result == "accepted":
        verified = VERIFIER.cached(token)
        assert verified is None or json.loads(json.dumps(verified.claims)) == {**valid_claims(), **json.loads(json.dumps(changes))}


@pytest.mark.security("JW-02", "JW-06", "JW-07", "JW-21", "JW-29")
@many
@given(st.dictionaries(st.sampled_from(("alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "x5t")) | st.text(), JSON))
def test_signed_headers_of_any_kind_bring_no_foreign_error(changes: dict[str, Any]) -> None:
    """Whatever stands in a header, the answer is one of ours."""
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "EdDSA", **changes}
    assert outcome(KEYS[3].sign_raw(json.dumps(header))) != "internal"


@pytest.mark.security("JW-29")
@many
@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=80))
def test_arbitrary_bytes_bring_no_foreign_error(header: bytes, payload: bytes, signature: bytes) -> None:
    """Three canonical segments of anything at all."""
    assert outcome(f"{segment(header)}.{segment(payload)}.{segment(signature)}") not in ("accepted", "internal")
