"""What a verified token promises to those who share it."""

import copy
import json
import subprocess
import sys

import pytest

from asgi_session.tokens import VerifiedToken
from asgi_session.tokens.strict_json import read_object


def token(**fields: object) -> VerifiedToken:
    """A token with the fewest fields, and these."""
    return VerifiedToken(**{"issuer": "https://a", "subject": "s", "claims": {}, "expires_at": 1.0, **fields})  # type: ignore[arg-type]


def test_permissions_hold_scopes_and_both_kinds_of_roles() -> None:
    """Scopes stand as they are; roles carry their kind and, where they have one, their client."""
    verified = token(scopes=("email",), realm_roles=("admin",), client_roles={"web": ("editor", "admin")})
    assert verified.permissions == ("email", "role:admin", "role:web:editor", "role:web:admin")


@pytest.mark.security("OA-26")
@pytest.mark.parametrize(
    ("fields", "permissions"),
    [
        ({"realm_roles": ("web:editor",)}, ("role:web%3Aeditor",)),
        ({"client_roles": {"a:b": ("c",), "a": ("b:c",)}}, ("role:a%3Ab:c", "role:a:b%3Ac")),
        ({"realm_roles": ("a%3Ab", "a:b")}, ("role:a%253Ab", "role:a%3Ab")),
        ({"realm_roles": ("authenticated",)}, ("role:authenticated",)),
        ({"scopes": ("role:admin", "email")}, ("email",)),
    ],
)
def test_no_kind_of_permission_passes_for_another(fields: dict[str, object], permissions: tuple[str, ...]) -> None:
    """A realm role can't be named like a client's, nor a role like a scope, nor a scope like a role."""
    assert token(**fields).permissions == permissions


def test_equal_tokens_are_equal_and_hashable() -> None:
    """A verified token can be a key, since it is a value."""
    assert token(client_roles={"a": ("b",)}) == token(client_roles={"a": ("b",)})
    assert len({token(), token()}) == 1


def test_repr_leaves_the_claims_out() -> None:
    """What is logged by accident says who, not everything the provider knows about them."""
    assert "secret" not in repr(token(claims={"email": "secret"}))


def test_claims_can_be_read_copied_and_encoded_but_not_changed() -> None:
    """Requests share a verified token through the cache, so nobody may write to it."""
    claims = read_object(b'{"a": {"b": [1, [2]]}, "c": []}')
    assert claims is not None
    assert json.loads(json.dumps(claims)) == {"a": {"b": [1, [2]]}, "c": []}
    assert copy.deepcopy(claims) == claims == copy.copy(claims)
    changed = dict(claims)
    changed["c"] = 1
    assert claims["c"] == ()
    for change in (
        lambda: claims.__setitem__("x", 1),
        lambda: claims["a"].__delitem__("b"),
        lambda: claims.__ior__({}),
        lambda: claims.update(x=1),
        lambda: claims.setdefault("x", 1),
        claims.clear,
        claims.popitem,
        lambda: claims["a"].pop("b"),
    ):
        with pytest.raises(TypeError, match="copy"):
            change()


def test_importing_the_package_loads_no_library_of_its_adapters() -> None:
    """Whoever has no token to verify pays neither for joserfc nor for an HTTP client."""
    code = (
        "import sys; from asgi_session.tokens import Issuers, JWTVerifier;"
        "Issuers([JWTVerifier('https://a', audience='api')]).problems();"
        "print([name for name in ('joserfc', 'httpx') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
