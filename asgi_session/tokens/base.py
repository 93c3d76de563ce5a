"""What a verified token is, and what verifies one.

A third party's verifier (introspection, another token format) implements ``TokenVerifier``; the middleware knows nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

from starlette.authentication import AuthCredentials

from ..exceptions import Problem
from ..principal import Principal, of_token

Context = tuple[bytes | str, ...] | None
"""What a verdict is bound to; the middleware gives user agent, accept headers and network. None: to nothing."""

_NO_ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature and claims were checked. Shared between requests, therefore unchangeable to the bottom.

    A user is the pair ``(issuer, subject)``: e-mail addresses and user names change hands (security row JW-16).
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    """Every claim as the provider sent it; lists are tuples. Can be encoded as JSON; ``dict(claims)`` gives a copy to
    change."""
    expires_at: float
    """Seconds since the epoch."""
    issued_at: float = 0.0
    """Seconds since the epoch."""
    audience: tuple[str, ...] = ()
    authorized_party: str | None = None
    """The client that the token was given to (``azp``, or ``client_id`` where RFC 9068 is followed)."""
    token_id: str | None = None
    """``jti``."""
    session: str | None = None
    """``sid``: the provider's session, which a back-channel logout names."""
    scopes: tuple[str, ...] = ()
    realm_roles: tuple[str, ...] = ()
    """Keycloak's ``realm_access.roles``."""
    client_roles: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_ROLES, hash=False)
    """Keycloak's ``resource_access``: client id → roles."""
    display_name: str = ""
    """For people to read; never a key."""
    permissions: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """What ``scope["auth"].scopes`` gets: scopes as they are, ``role:<realm role>`` and ``role:<client>:<role>``.

    The three kinds can't pass for one another: ``%`` and ``:`` inside the name of a role or client are written ``%25`` and
    ``%3A``, and a scope that begins with ``role:`` is left out (OA-26).
    """
    seen_as: tuple[Principal, AuthCredentials] = field(init=False, repr=False, compare=False)
    """What requests that bring it get as ``scope["user"]`` and ``scope["auth"]``: made once, as nobody can change them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "permissions", _permissions(self.scopes, self.realm_roles, self.client_roles))
        object.__setattr__(self, "seen_as", of_token(self))


def _permissions(scopes: Sequence[str], realm_roles: Sequence[str], client_roles: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    names = [scope for scope in scopes if not scope.startswith("role:")]
    names += [f"role:{_name_part(role)}" for role in realm_roles]
    for client, roles in client_roles.items():
        prefix = f"role:{_name_part(client)}:"
        names += [prefix + _name_part(role) for role in roles]
    return tuple(names)


def _name_part(name: str) -> str:
    return name.replace("%", "%25").replace(":", "%3A")


@runtime_checkable
class TokenVerifier(Protocol):
    """Verifies the tokens of one issuer. Used by one event loop at a time, also without ``start``."""

    @property
    def issuer(self) -> str:
        """Compared with the token's ``iss`` character by character."""
        ...

    def problems(self) -> list[Problem]:
        """Every mistake in the configuration; never raises, opens or reads anything."""
        ...

    async def start(self) -> None:
        """Begin what runs beside the requests. Does not wait for the issuer and does not fail where it is down.

        Raises:
            ConfigurationError: ``problems`` are not empty.
        """
        ...

    async def stop(self) -> None:
        """End what ``start`` began; leaves no task. May be called twice, or without ``start``."""
        ...

    async def verify(self, token: str, context: Context = None) -> VerifiedToken:
        """The token, if it is good now: the full tier, which looks at all of it again, whatever ``cached`` would say.

        It may be remembered, for requests of the same ``context``.

        Raises:
            TokenInvalid: the sender needs another token; ``TokenExpired`` where only its time is over, found after its signature.
            KeysUnavailable: nothing can be said about the token just now.
            ConfigurationError: ``problems`` are not empty.
        """
        ...

    def cached(self, token: str, context: Context = None, max_age: float = inf) -> VerifiedToken | None:
        """The token, if it was verified in this ``context`` less than ``max_age`` seconds ago and still is good: the quick tier.

        Costs microseconds, waits for nothing, never raises.
        """
        ...


Reverification = Literal["", "context", "stale"]
"""Why a known token is verified again: it comes from another context, or was verified too long ago. Empty: it is not known."""


@runtime_checkable
class ExplainsItself(Protocol):
    """The power to tell why ``cached`` has nothing to say; without it, a token that is verified again passes for a new one."""

    def why_again(self, token: str, context: Context = None) -> Reverification:
        """Asked between ``cached`` and ``verify``. Never raises."""
        ...
