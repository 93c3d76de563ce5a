"""No kind of token stands in for another."""

import itertools

import pytest

from asgi_session.tokens.token_types import token_type

TOKENS = {
    "access": ("at+jwt", {}),
    "id": ("JWT", {"typ": "ID"}),
    "refresh": ("JWT", {"typ": "Refresh"}),
    "logout": ("logout+jwt", {"events": {}}),
    "dpop": ("dpop+jwt", {}),
    "secevent": ("secevent+jwt", {"events": {}}),
}


@pytest.mark.security("JW-14")
@pytest.mark.parametrize(("slot", "kind"), tuple(itertools.product(TOKENS, TOKENS)))
def test_a_slot_takes_its_own_kind_alone(slot: str, kind: str) -> None:
    """Six kinds in six slots: six pass, thirty are denied."""
    assert (token_type(*TOKENS[kind]) == slot) is (slot == kind)


@pytest.mark.security("JW-14")
@pytest.mark.parametrize(
    ("header", "claims", "kind"),
    [
        ("at+jwt", {"typ": "Bearer"}, "access"),
        ("application/at+jwt", {}, "access"),
        ("AT+JWT", {}, "access"),
        ("JWT", {"typ": "Bearer"}, "access"),
        (None, {"typ": "Bearer"}, "access"),
        ("JWT", {"typ": "Offline"}, "refresh"),
        ("JWT", {"typ": "Logout"}, "logout"),
        ("logout+jwt", {"typ": "Logout"}, "logout"),
        ("at+jwt", {"typ": "ID"}, "unknown"),
        ("dpop+jwt", {"typ": "Bearer"}, "unknown"),
        ("JWT", {"typ": "DPoP"}, "unknown"),
        ("JWT", {"typ": "bearer"}, "unknown"),
        ("JWT", {"typ": ["Bearer"]}, "unknown"),
        ("JWT", {"typ": None}, "unknown"),
        ("entity-statement+jwt", {}, "unknown"),
        ("", {}, "unknown"),
        ("JWT", {}, "untyped"),
        ("jwt", {}, "untyped"),
        (None, {}, "untyped"),
        ("JWT", {"nonce": "n"}, "id"),
        (None, {"at_hash": "h"}, "id"),
        ("JWT", {"c_hash": "h"}, "id"),
        ("JWT", {"s_hash": "h"}, "id"),
        ("JWT", {"events": {}}, "secevent"),
    ],
)
def test_header_and_payload_have_to_agree(header: str | None, claims: dict[str, object], kind: str) -> None:
    """Two statements that differ, or one that is unheard of, make a token of no kind."""
    assert token_type(header, claims) == kind
