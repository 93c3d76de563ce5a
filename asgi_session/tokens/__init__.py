"""Bearer tokens: JWTs of an OpenID provider, verified here, without asking the provider on the way.

Read in this order: ``base`` (what a verified token is), ``verifier`` (the steps), ``format`` → ``keys`` → ``claims`` (the steps
themselves), ``jwks`` (where keys come from, how long they are trusted), ``issuers`` (several providers side by side).

Importing this package loads neither joserfc nor httpx; a verifier does at its first use.
"""

from .base import TokenVerifier, VerifiedToken
from .issuers import Issuers
from .policies import ClaimsPolicy, KeyPolicy
from .verifier import JWTVerifier, VerifierStats

__all__ = ["ClaimsPolicy", "Issuers", "JWTVerifier", "KeyPolicy", "TokenVerifier", "VerifiedToken", "VerifierStats"]
