"""HMAC tokens, for those who ask for them by name: whoever verifies such a token could also have signed it (JW-28)."""

from collections.abc import Collection

from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from ..exceptions import Problem
from .algorithms import HMAC_BYTES
from .keys import VerificationKey

_KEY_MATERIAL = (b"-----BEGIN", b"---- BEGIN", b"ssh-", b"ecdsa-sha2-", b'"kty"')


def secret_problems(secret: object, algorithms: Collection[str]) -> list[Problem]:
    """What is wrong with a shared secret for these algorithms."""
    if not isinstance(secret, str | bytes):
        return [Problem("hmac_secret", "is neither str nor bytes.", "Pass the secret itself.")]
    data = _as_bytes(secret)
    shortest = max((HMAC_BYTES[name] for name in algorithms if name in HMAC_BYTES), default=min(HMAC_BYTES.values()))
    if len(data) < shortest:
        fix = f"Use at least {shortest} random bytes, e.g. from secrets.token_bytes({shortest})."
        return [Problem("hmac_secret", f"has {len(data)} bytes, fewer than the hash of its algorithm.", fix)]
    if _looks_asymmetric(data):
        fix = "Use random bytes; for a public key use jwks."
        return [Problem("hmac_secret", "is a key of another kind, so anybody may know it.", fix)]
    return []


class SharedSecret:
    """A ring of one key, which every token means whatever ``kid`` it names."""

    def __init__(self, secret: str | bytes, algorithms: Collection[str]) -> None:
        self._key = VerificationKey(OctKey.import_key(_as_bytes(secret)), None, algorithms)

    def __len__(self) -> int:
        return 1

    def find(self, algorithm: str, key_id: str | None) -> VerificationKey:
        """The key."""
        del algorithm, key_id
        return self._key


def _as_bytes(secret: str | bytes) -> bytes:
    return secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret


def _looks_asymmetric(data: bytes) -> bool:
    if any(marker in data for marker in _KEY_MATERIAL):
        return True
    try:
        OctKey.import_key(data)  # tries to read it as PEM, DER, SSH and certificate
    except (JoseError, ValueError):
        return True
    return False
