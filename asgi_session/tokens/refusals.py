"""Every reason for which a token is refused: a stable code and one fixed sentence.

The sentences are fixed so that no part of a token can reach an error, a log line or a ``WWW-Authenticate`` header (LG-05), and
the codes are few so that they can label a metric (LG-08). The text keeps to the characters that RFC 6750 §3 allows in
``error_description``.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ..exceptions import TokenExpired, TokenInvalid

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "size": "The token is too long.",
        "format": "The token is not a JWT in its compact form.",
        "encrypted": "The token is encrypted (JWE), which is not accepted.",
        "header": "The header of the token is malformed, or holds a parameter that is not accepted.",
        "algorithm": "The token is signed with an algorithm that is not accepted here.",
        "payload": "The payload of the token is not a plain JSON object.",
        "issuer": "The token comes from another issuer.",
        "unknown_key": "The issuer publishes no key by the name that the token gives.",
        "key_ambiguous": "The token names no key, and the issuer publishes more than one that fits.",
        "key_mismatch": "The key that the token names is not for the algorithm of the token.",
        "signature": "The signature of the token is wrong.",
        "missing_claim": "The token lacks a claim that is required.",
        "claim_type": "A claim of the token has a wrong type or is out of range.",
        "audience": "The token is not meant for this service (its audience is another one).",
        "authorized_party": "The token was given to a client that is not accepted here.",
        "token_type": "The token is not an access token.",
        "sender_constrained": "The token is bound to a key of its sender, so it is not accepted as a plain bearer token.",
        "expired": "The token has expired.",
        "not_yet_valid": "The token is not valid yet.",
        "lifetime": "The token expires too far in the future.",
        "internal": "The token could not be checked.",
    }
)


def refused(reason: str) -> TokenInvalid:
    """The error to raise for ``reason``, which is a key of ``REFUSALS``."""
    kind = TokenExpired if reason == "expired" else TokenInvalid
    return kind(reason, REFUSALS[reason])
