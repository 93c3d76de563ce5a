"""Tokens as Keycloak issues them, and the key to verify them."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from benchmarks.contenders.site import DAY, NAME

ISSUER = "https://id.example.org/realms/benchmarks"
AUDIENCE = "api"


class Issuer:
    """One RS256 key of 2,048 bits."""

    def __init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "a-key-of-the-benchmarks", "use": "sig", "alg": "RS256"})
        self.jwks: dict[str, Any] = {"keys": [self._key.as_dict(private=False)]}

    def token(self, number: int) -> str:
        """An access token of about 1.3 kB, good for a day; each number is another user's."""
        now = int(time.time())
        claims = {
            "exp": now + DAY,
            "iat": now,
            "auth_time": now,
            "jti": f"onrtac:8d3b1c52-7f0e-4d4a-a4f5-{number:012}",
            "iss": ISSUER,
            "aud": [AUDIENCE, "account"],
            "sub": f"5b9b2f0e-6c1d-4c8e-9f57-{number:012}",
            "typ": "Bearer",
            "azp": "web",
            "sid": f"0d2c8a5e-1f7b-4a51-8a0c-{number:012}",
            "acr": "1",
            "allowed-origins": ["https://www.example.org"],
            "realm_access": {"roles": ["default-roles-benchmarks", "offline_access", "uma_authorization"]},
            "resource_access": {
                AUDIENCE: {"roles": ["reader", "writer"]},
                "account": {"roles": ["manage-account", "manage-account-links", "view-profile"]},
            },
            "scope": "openid email profile",
            "email_verified": True,
            "name": NAME,
            "preferred_username": NAME,
            "given_name": "Ann",
            "family_name": "Example",
            "email": f"{NAME}@example.org",
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self.jwks["keys"][0]["kid"]}
        return jwt.encode(header, claims, self._key)
