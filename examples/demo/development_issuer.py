"""An issuer of tokens for development only: it stands in for Keycloak where none is at hand.

It makes its key at each start, trusts whoever knows an example's password, and knows no refresh, no logout and no consent.
It speaks enough of OpenID Connect that other services can verify its tokens too: discovery, JWKS, one token endpoint.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_session import JWTVerifier

TOKEN_LIFETIME = 300
ROLES = {"ada": ["reader", "writer"]}
NO_STORE = {"Cache-Control": "no-store"}


class DevelopmentIssuer:
    """Issues access tokens for ``audience`` to the users in ``passwords``."""

    def __init__(self, url: str, *, audience: str, passwords: Mapping[str, str]) -> None:
        self.url = url
        self._audience = audience
        self._passwords = passwords
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": secrets.token_hex(4)}, private=True)
        self.routes = [
            Route("/.well-known/openid-configuration", self._metadata),
            Route("/jwks", self._jwks),
            Route("/token", self._token, methods=["POST"]),
        ]

    def verifier(self) -> JWTVerifier:
        """What verifies the tokens. The keys are passed rather than fetched: at start nobody serves them yet."""
        return JWTVerifier(self.url, audience=self._audience, jwks=self.keys())

    def keys(self) -> dict[str, Any]:
        """The public half of the key, as a JWK set."""
        return {"keys": [self._key.as_dict(private=False)]}

    def issue(self, user: str) -> str:
        """An access token in the shape of RFC 9068, with roles where Keycloak puts them."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": self._audience,
            "sub": user,
            "name": user.capitalize(),
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
            "jti": secrets.token_hex(8),
            "scope": "openid profile",
            "realm_access": {"roles": ROLES.get(user, [])},
        }
        return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": self._key.kid}, claims, self._key)

    async def _metadata(self, request: Request) -> JSONResponse:
        return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", "token_endpoint": f"{self.url}/token"})

    async def _jwks(self, request: Request) -> JSONResponse:
        return JSONResponse(self.keys())

    async def _token(self, request: Request) -> JSONResponse:
        async with request.form() as form:
            grant, user, password = (str(form.get(field, "")) for field in ("grant_type", "username", "password"))
        if grant != "password":
            return JSONResponse({"error": "unsupported_grant_type"}, 400, NO_STORE)
        known = self._passwords.get(user)
        if known is None or not secrets.compare_digest(known.encode(), password.encode()):
            return JSONResponse({"error": "invalid_grant"}, 400, NO_STORE)
        answer = {"access_token": self.issue(user), "token_type": "Bearer", "expires_in": TOKEN_LIFETIME}
        return JSONResponse(answer, 200, NO_STORE)
