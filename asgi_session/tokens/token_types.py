"""What kind of token a JWT says it is, so that none can stand in for another (RFC 8725 §3.11, RFC 9068 §4; JW-14)."""

from collections.abc import Mapping
from typing import Any, Literal

TokenType = Literal["access", "id", "refresh", "logout", "dpop", "secevent", "untyped", "unknown"]

_BY_HEADER: Mapping[str, TokenType] = {
    "at+jwt": "access",
    "logout+jwt": "logout",
    "dpop+jwt": "dpop",
    "secevent+jwt": "secevent",
}
_BY_PAYLOAD: Mapping[str, TokenType] = {
    "Bearer": "access",
    "ID": "id",
    "Refresh": "refresh",
    "Offline": "refresh",
    "Logout": "logout",
}
"""Keycloak's own claim ``typ``."""

_ID_TOKEN_MARKS = ("nonce", "at_hash", "c_hash", "s_hash")


def token_type(header_type: str | None, claims: Mapping[str, Any]) -> TokenType:
    """The one kind that the token is; ``unknown`` where it says two different things, or one that nobody knows.

    A provider that follows neither RFC 9068 nor Keycloak sends ``typ: JWT`` or nothing: such a token is ``untyped``, unless it
    carries the marks of an ID token or of a security event.
    """
    by_header = _header_says(header_type)
    by_payload = _payload_says(claims)
    if by_header is not None and by_payload is not None:
        return by_header if by_header == by_payload else "unknown"
    stated = by_header or by_payload
    if stated is not None:
        return stated
    if "events" in claims:
        return "secevent"
    return "id" if any(mark in claims for mark in _ID_TOKEN_MARKS) else "untyped"


def _header_says(header_type: str | None) -> TokenType | None:
    if header_type is None or header_type.lower() == "jwt":
        return None
    return _BY_HEADER.get(header_type.lower().removeprefix("application/"), "unknown")


def _payload_says(claims: Mapping[str, Any]) -> TokenType | None:
    if "typ" not in claims:
        return None
    stated = claims["typ"]
    return _BY_PAYLOAD.get(stated, "unknown") if isinstance(stated, str) else "unknown"
