"""The table of signature algorithms."""

from typing import Any

import pytest
from joserfc.jws import JWSRegistry

from asgi_session.tokens.algorithms import ASYMMETRIC, HMAC_BYTES, KEY_OF, algorithm_problems, fits


@pytest.mark.security("JW-01")
def test_default_is_asymmetric() -> None:
    """Nobody who can verify a token by default could have made it."""
    assert not set(ASYMMETRIC) & {"none", *HMAC_BYTES}
    assert algorithm_problems(ASYMMETRIC, with_secret=False) == []


def test_every_name_is_one_of_joserfc() -> None:
    """The table promises nothing that the library can't do."""
    assert {*KEY_OF, *HMAC_BYTES} <= set(JWSRegistry.algorithms)


@pytest.mark.security("JW-01", "JW-02", "JW-28")
@pytest.mark.parametrize(
    ("algorithms", "with_secret", "message"),
    [
        ((), False, "is empty"),
        ([], True, "is empty"),
        (None, False, "not a list"),
        ("RS256", False, "not a list"),
        (("RS256", 5), False, "not a list"),
        (("RS256", ""), False, "not a list"),
        (("none",), False, "'none'"),
        (("NONE",), True, "'NONE'"),
        (("rs256",), False, "'rs256'"),
        (("RS256", "HS256"), False, "'HS256'"),
        (("HS256", "RS256"), True, "'RS256'"),
        (("ES256K",), False, "'ES256K'"),
    ],
)
def test_unacceptable_lists_are_problems(algorithms: Any, with_secret: bool, message: str) -> None:
    """An empty list, none, HMAC without a secret, and misspelt names are each said."""
    (problem,) = algorithm_problems(algorithms, with_secret=with_secret)
    assert (problem.field, message in problem.message) == ("algorithms", True)


@pytest.mark.security("JW-03")
def test_each_algorithm_has_its_key() -> None:
    """ES256 goes with P-256 alone, EdDSA with the two Edwards curves, RSA with RSA."""
    assert fits("RS256", "RSA", None)
    assert not fits("RS256", "EC", "P-256")
    assert fits("ES256", "EC", "P-256")
    assert not fits("ES256", "EC", "P-384")
    assert not fits("ES256", "EC", None)
    assert fits("EdDSA", "OKP", "Ed448")
    assert not fits("EdDSA", "OKP", "X25519")
    assert not fits("Ed25519", "OKP", "Ed448")
