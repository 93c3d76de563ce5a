"""Bearer tokens: JWTs of an OpenID provider, verified here, without asking the provider on the way.

Read in this order: ``base`` (what a verified token is), ``verifier`` (the steps), ``format`` → ``keys`` → ``claims`` (the
steps themselves), ``jwks`` (where keys come from and how long they are trusted), ``issuers`` (several providers side by side).

Importing this package loads neither joserfc nor httpx: the names below that need them are looked up at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import TokenVerifier, VerifiedToken
from .policies import ClaimsPolicy, KeyPolicy

if TYPE_CHECKING:
    from .issuers import Issuers
    from .verifier import JWTVerifier

__all__ = ["ClaimsPolicy", "Issuers", "JWTVerifier", "KeyPolicy", "TokenVerifier", "VerifiedToken"]

_AT_FIRST_USE = {"Issuers": "asgi_session.tokens.issuers", "JWTVerifier": "asgi_session.tokens.verifier"}


def __getattr__(name: str) -> Any:
    module = _AT_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)
