"""Signature algorithms: which exist, which are accepted unless the user says otherwise, and which key each one takes.

A table of our own, because joserfc reads an empty list as "its recommended ones, HMAC included", and takes any OKP key for
``EdDSA`` (security rows JW-01, JW-03).
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from ..exceptions import Problem
from .policies import is_list_of_names

KEY_OF: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", frozenset[str]())),
        "ES256": ("EC", frozenset({"P-256"})),
        "ES384": ("EC", frozenset({"P-384"})),
        "ES512": ("EC", frozenset({"P-521"})),
        "EdDSA": ("OKP", frozenset({"Ed25519", "Ed448"})),
        "Ed25519": ("OKP", frozenset({"Ed25519"})),
        "Ed448": ("OKP", frozenset({"Ed448"})),
    }
)
"""Asymmetric algorithm → (``kty``, the ``crv`` values that fit; none for RSA)."""

HMAC_BYTES: Mapping[str, int] = MappingProxyType({"HS256": 32, "HS384": 48, "HS512": 64})
"""HMAC algorithm → the shortest secret it may have, bytes (RFC 7518 §3.2)."""

ASYMMETRIC = tuple(KEY_OF)
"""The default allow-list: whoever can verify with it can't sign with it."""


def fits(algorithm: str, key_type: str, curve: str | None) -> bool:
    """Whether a key of that type and curve is one for the algorithm."""
    wanted_type, curves = KEY_OF[algorithm]
    return key_type == wanted_type and (not curves or curve in curves)


def algorithm_problems(algorithms: Collection[str], *, with_secret: bool) -> list[Problem]:
    """What is wrong with an allow-list, given whether a shared secret was configured."""
    if not is_list_of_names(algorithms):
        return [Problem("algorithms", "is not a list of names.", 'Pass a tuple such as ("RS256",).')]
    if not algorithms:
        return [Problem("algorithms", "is empty, so no token could ever pass.", "Name at least one, or leave it out.")]
    known = HMAC_BYTES if with_secret else KEY_OF
    wrong = [name for name in algorithms if name not in known]
    if not wrong:
        return []
    if with_secret:
        fix = f"With hmac_secret, name HMAC algorithms only: {', '.join(HMAC_BYTES)}."
    else:
        fix = f"Use some of {', '.join(ASYMMETRIC)}; HMAC needs hmac_secret; none is never accepted."
    return [Problem("algorithms", f"names what is not accepted: {', '.join(map(repr, wrong))}.", fix)]
