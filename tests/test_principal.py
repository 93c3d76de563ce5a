"""Who makes the request, in Starlette's terms."""

from typing import Any

import pytest
from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser

from asgi_session import Session, VerifiedToken
from asgi_session.principal import LOGGED_IN, Principal, of_token, stranger


def token(**parts: Any) -> VerifiedToken:
    """A verified token."""
    return VerifiedToken("https://id.example.org", "user-1", {}, 2e9, **parts)


def test_a_principal_is_one_of_starlettes_users() -> None:
    """`is_authenticated`, `identity`, and a name to call it by."""
    user = Principal("alice")
    assert isinstance(user, BaseUser)
    assert (user.is_authenticated, user.identity, user.display_name, user.issuer) == (True, "alice", "alice", None)


@pytest.mark.security("LG-01")
def test_its_repr_names_nobody() -> None:
    """It may end in a log."""
    assert "alice" not in repr(Principal("alice", issuer="https://id.example.org", display_name="Alice"))


def test_a_tokens_principal() -> None:
    """Subject and issuer; scopes and roles become what `@requires` looks for."""
    user, credentials = of_token(token(display_name="Ann", scopes=("email",), realm_roles=("admin",)))
    assert (user.identity, user.display_name, user.issuer) == ("user-1", "Ann", "https://id.example.org")
    assert set(credentials.scopes) == {"authenticated", "email", "role:admin"}


def test_a_scope_can_not_pretend_to_be_a_login() -> None:
    """`authenticated` is there once, from us."""
    _, credentials = of_token(token(scopes=("authenticated", "email")))
    assert list(credentials.scopes).count("authenticated") == 1


def test_shared_credentials_can_not_be_changed_by_a_request() -> None:
    """What all requests share has nothing that one of them could append to."""
    assert isinstance(LOGGED_IN, AuthCredentials)
    assert LOGGED_IN.scopes == ("authenticated",)


def test_a_stranger_is_one_of_starlettes_users_too() -> None:
    """And credentials as well; as unchangeable as the others, lest a handler works for strangers only."""
    nobody = stranger(Session())
    assert isinstance(nobody, UnauthenticatedUser)
    assert isinstance(nobody, AuthCredentials)
    assert (nobody.is_authenticated, nobody.identity, nobody.display_name, nobody.scopes) == (False, "", "", ())
    with pytest.raises(AttributeError, match="request"):
        nobody.role = "admin"


@pytest.mark.parametrize("looked_at", ["is_authenticated", "identity", "display_name", "scopes"])
def test_who_looks_at_a_stranger_has_looked_at_the_session(looked_at: str) -> None:
    """The response would be another one for somebody who is known; nobody has looked before."""
    session = Session()
    nobody = stranger(session)
    assert not session.accessed
    getattr(nobody, looked_at)
    assert session.accessed
