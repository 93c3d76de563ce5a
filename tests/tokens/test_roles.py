"""Scopes and roles with checked types."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens.roles import MAX_NAMES, client_roles, realm_roles, scopes
from asgi_session.tokens.strict_json import read_object
from tests.support.examples import examples
from tests.tokens.parts import members


def test_scopes_are_split_and_roles_are_kept_apart() -> None:
    """Realm roles and the roles of each client stay where the provider put them."""
    claims = read_object(b'{"scope":" a  b","realm_access":{"roles":["r"]},"resource_access":{"web":{"roles":["e"]},"x":{}}}')
    assert claims is not None
    assert scopes(claims) == ("a", "b")
    assert realm_roles(claims) == ("r",)
    assert dict(client_roles(claims)) == {"web": ("e",), "x": ()}


def test_absent_claims_are_no_roles() -> None:
    """A provider that knows no roles sends none."""
    assert (scopes({}), realm_roles({}), dict(client_roles({}))) == ((), (), {})


@pytest.mark.security("OA-26")
@pytest.mark.parametrize(
    "claims",
    [
        {"scope": ["a"]},
        {"scope": None},
        {"scope": " ".join("ab" for _ in range(MAX_NAMES + 1))},
        {"realm_access": "admin"},
        {"realm_access": ["admin"]},
        {"realm_access": None},
        {"realm_access": {"roles": "admin"}},
        {"realm_access": {"roles": {"admin": True}}},
        {"realm_access": {"roles": None}},
        {"realm_access": {"roles": ["a", 1]}},
        {"realm_access": {"roles": ["a", ["b"]]}},
        {"realm_access": {"roles": ["r"] * (MAX_NAMES + 1)}},
        {"resource_access": []},
        {"resource_access": {"web": ["editor"]}},
        {"resource_access": {"web": {"roles": "editor"}}},
        {"resource_access": {"web": {"roles": [None]}}},
    ],
)
def test_roles_of_a_wrong_type_are_refused(claims: dict[str, object]) -> None:
    """Nothing but a list of at most a thousand strings is a list of roles."""
    read = read_object(members(claims).encode())
    assert read is not None
    with pytest.raises(TokenInvalid) as caught:
        (scopes(read), realm_roles(read), client_roles(read))
    assert caught.value.reason == "claim_type"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["roles", "web"]) | st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.security("OA-26")
@examples()
@given(st.fixed_dictionaries({}, optional={"scope": JSON, "realm_access": JSON, "resource_access": JSON}))
def test_whatever_is_claimed_ends_as_strings_or_a_refusal(claims: dict[str, object]) -> None:
    """No shape of the claims gives a role that is not a string, or an error of Python."""
    read = read_object(members(claims).encode())
    assert read is not None
    found: list[object] = []
    with contextlib.suppress(TokenInvalid):
        found = [*scopes(read), *realm_roles(read), *(role for roles in client_roles(read).values() for role in roles)]
    assert all(isinstance(name, str) for name in found)
