"""What the token tests are made of: a clock that is turned by hand, keys that sign anything, and a provider inside the process."""

import asyncio
import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens import JWTVerifier

ISSUER = "https://id.example.org/realms/demo"
AUDIENCE = "api"
NOW = 1_800_000_000.0

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519", "Ed448": "Ed448"}


class StoppedClock:
    """Both times of the package, moving only when told."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 1000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@cache
def _private_key(algorithm: str, number: int) -> Any:
    if algorithm[:2] in {"RS", "PS"}:
        return RSAKey.generate_key(2048)
    if algorithm[:2] == "ES":
        return ECKey.generate_key(_CURVES[algorithm])
    if algorithm[:2] == "HS":
        return OctKey.import_key(f"{number}-a-secret-of-the-tests-which-is-as-long-as-the-longest-hash-asks-for")
    return OKPKey.generate_key(_CURVES[algorithm])


class SigningKey:
    """A key of the provider; `number` tells keys of one algorithm apart."""

    def __init__(self, algorithm: str = "RS256", kid: str | None = "key-1", number: int = 0) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.private = _private_key(algorithm, number)

    def public(self, **changes: Any) -> dict[str, Any]:
        """The published JWK; a change to None leaves a member out."""
        entry = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **self.private.as_dict(private=False), **changes}
        return {name: value for name, value in entry.items() if value is not None}

    def sign(self, claims: object = None, /, **header: Any) -> str:
        """A token of `claims` (text and bytes as they are); header parameters given as None are left out."""
        parameters = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid, **header}
        return self.sign_raw(json.dumps({name: value for name, value in parameters.items() if value is not None}), claims)

    def sign_raw(self, header: str | bytes, claims: object = None) -> str:
        """A token with the header exactly as given."""
        body = valid_claims() if claims is None else claims
        payload = body if isinstance(body, str | bytes) else json.dumps(body)
        signing_input = f"{segment(header)}.{segment(payload)}"
        return f"{signing_input}.{segment(self.signature(signing_input.encode()))}"

    def signature(self, signing_input: bytes) -> bytes:
        """The bare signature."""
        return JWSRegistry.algorithms[self.algorithm].sign(signing_input, self.private)


def segment(data: str | bytes) -> str:
    """The base64url spelling."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def valid_claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good access token; a change to None leaves a claim out."""
    claims = {
        "iss": ISSUER,
        "sub": "user-1",
        "aud": AUDIENCE,
        "exp": NOW + 300,
        "iat": NOW - 5,
        "azp": "web",
        "jti": "token-1",
        "sid": "session-1",
        "scope": "openid email",
        "preferred_username": "ann",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


class FakeProvider:
    """An OpenID provider inside the process, whose answers can be held back, spoiled and counted."""

    def __init__(self, *keys: SigningKey, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.metadata: dict[str, Any] = {"issuer": issuer, "jwks_uri": f"{issuer}/certs"}
        self.entries: list[Any] = [key.public() for key in keys]
        self.requests: list[str] = []
        self.failure: Exception | None = None
        self.body: bytes | None = None
        self.open = asyncio.Event()
        self.open.set()

    @property
    def key_fetches(self) -> int:
        """How often the key set was asked for."""
        return sum(url == self.metadata["jwks_uri"] for url in self.requests)

    async def fetch(self, url: str) -> bytes:
        """What a verifier takes as its `fetch`."""
        self.requests.append(url)
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        if url == f"{self.issuer}/.well-known/openid-configuration":
            return json.dumps(self.metadata).encode()
        assert url == self.metadata["jwks_uri"]
        return json.dumps({"keys": self.entries}).encode() if self.body is None else self.body


def verifier_of(*keys: SigningKey, clock: StoppedClock | None = None, **arguments: Any) -> JWTVerifier:
    """A verifier that knows these keys from the start."""
    jwks = {"keys": [key.public() for key in keys]}
    return JWTVerifier(ISSUER, **{"audience": AUDIENCE, "jwks": jwks, "clock": clock or StoppedClock(), **arguments})


async def outcome(key: SigningKey, token: str) -> str:
    """What a verifier that knows the key says of a token: ``accepted``, or the reason of its refusal."""
    try:
        await verifier_of(key).verify(token)
    except TokenInvalid as refused:
        return refused.reason
    return "accepted"


def texts_of(error: BaseException | None) -> str:
    """Everything that an error says, with all that is chained to it."""
    said = []
    while error is not None:
        said += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(said)


def members(value: Mapping[str, Any]) -> str:
    """JSON text of an object, for tests that spoil the text."""
    return json.dumps(value)
