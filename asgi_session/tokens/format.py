"""The gate: what can be said about a token from its text alone, before any key or computation (JW-02, JW-04 to JW-09).

A parser of our own, because the known ones forgive what a gate may not: joserfc takes duplicate members, an empty ``crit``, ``b64``
and headers that bring their own key. The tests hold the two against each other: whatever passes here, joserfc reads alike.
"""

import base64
import binascii
from functools import lru_cache
from typing import NamedTuple

from .refusals import refused
from .strict_json import ReadOnlyDict, read_object

MAX_TOKEN_CHARS = 16 * 1024
MAX_HEADER_CHARS = 512
MAX_SIGNATURE_CHARS = 1366
"""RSA of 8192 bit, the longest that the key filter allows (joserfc's own limit, 1024, would stop at 6144 bit)."""
MAX_KEY_ID_CHARS = 256
ACCEPTED_PARAMETERS = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
"""Nothing else may stand in a header: not ``crit``, ``b64`` or ``zip``, which change what is signed, and not ``jku``, ``x5u``,
``x5c`` or ``jwk``, which offer a key. The two thumbprints are carried by some providers; they are read by nobody."""


class Header(NamedTuple):
    """What a token says about its signature."""

    algorithm: str
    key_id: str | None
    type: str | None


class UnverifiedToken(NamedTuple):
    """A well-formed token. Nothing in it is true yet."""

    header: Header
    claims: ReadOnlyDict
    signing_input: bytes
    signature: bytes


def read(token: str) -> UnverifiedToken:
    """Take a token apart.

    Raises:
        TokenInvalid: ``size``, ``format``, ``encrypted``, ``header`` or ``payload``.
    """
    header_part, payload_part, signature_part = _parts(token)
    header = read_header(header_part)
    payload = decode_segment(payload_part)
    signature = decode_segment(signature_part)
    if payload is None or signature is None:
        raise refused("format")
    signing_input = token[: len(header_part) + 1 + len(payload_part)].encode("ascii")
    return UnverifiedToken(header, _claims(payload), signing_input, signature)


def unverified_issuer(token: str) -> str | None:
    """What the token says about who issued it: to choose who checks that, and for nothing else.

    Raises:
        TokenInvalid: ``size``, ``format``, ``encrypted`` or ``payload``.
    """
    payload = decode_segment(_parts(token)[1])
    if payload is None:
        raise refused("format")
    issuer = _claims(payload).get("iss")
    return issuer if isinstance(issuer, str) else None


def _parts(token: str) -> list[str]:
    if len(token) > MAX_TOKEN_CHARS:
        raise refused("size")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise refused("encrypted" if len(parts) == 5 else "format")
    if len(parts[0]) > MAX_HEADER_CHARS or len(parts[2]) > MAX_SIGNATURE_CHARS:
        raise refused("size")
    return parts


@lru_cache(maxsize=64)  # the tokens of one key share their header; refusals are not kept
def read_header(segment: str) -> Header:
    """The header: a JSON object of accepted parameters, each a string.

    Raises:
        TokenInvalid: ``header``.
    """
    data = decode_segment(segment)
    header = None if data is None else read_object(data)
    if header is None or "alg" not in header or not ACCEPTED_PARAMETERS.issuperset(header):
        raise refused("header")
    if not all(type(value) is str for value in header.values()) or len(header.get("kid", "")) > MAX_KEY_ID_CHARS:
        raise refused("header")
    return Header(header["alg"], header.get("kid"), header.get("typ"))


def _claims(payload: bytes) -> ReadOnlyDict:
    claims = read_object(payload)
    if claims is None:
        raise refused("payload")
    return claims


def decode_segment(segment: str) -> bytes | None:
    """The bytes that ``segment`` is *the* base64url spelling of, or None.

    Decoders forgive: stray characters, padding, and last bits that don't count. Encoding again shows whether this one had to
    (one credential, one spelling).
    """
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") == segment else None
