"""Session ids: how they are made, signed for the wire, hashed for the store, and spread over buckets.

    on the wire (cookie or bearer)   <bucket><secret>.<signature>        "credential"
    known to the request only        <bucket><secret>                    "session id"
    in the store, listings, logs     bucket, SHA-256 of the session id   "store key"; as text: the handle

* The secret is 32 bytes from the operating system (ASVS 7.2.3): nobody guesses it, so the signature adds no secrecy. It keeps
  garbage from the store: a credential that we did not sign costs a hash, never a round trip.
* Each credential has exactly one spelling. Base64 decoders forgive wrong trailing bits; the pattern below doesn't.
* The bucket (three hexadecimal digits, 0 to 1023) names the Redis Cluster slot in which everything of one user lives, so that
  each step is one atomic script. It is derived from the user and the store's namespace, not from ``secret_key``: rotating the
  secret must not move a user's sessions away from the epoch that revokes them (docs/decisions/0001-buckets.md).
"""

import hashlib
import hmac
import re
import secrets
from binascii import b2a_base64
from collections.abc import Sequence
from typing import NamedTuple

from itsdangerous import Signer

BUCKETS = 1024
CREDENTIAL_BYTES = 46 + 1 + 43
"""Length of a credential; everything longer or shorter isn't one."""

_END = "[AEIMQUYcgkosw048]"  # the last character of 32 bytes in base64url carries four bits; the other two must be zero
_CREDENTIAL = re.compile(rf"[0-3][0-9a-f]{{2}}[A-Za-z0-9_-]{{42}}{_END}\.[A-Za-z0-9_-]{{42}}{_END}", re.ASCII)
_BUCKET = re.compile(r"[0-3][0-9a-f]{2}", re.ASCII)
_HANDLE = re.compile(rf"([0-3][0-9a-f]{{2}})~([A-Za-z0-9_-]{{42}}{_END})", re.ASCII)


class StoreKey(NamedTuple):
    """Where a record lives: its bucket, and the hash of its session id. Safe to show, to log and to list."""

    bucket: str
    digest: str

    @property
    def handle(self) -> str:
        """The public name of the session: leads to the record, but opens nothing (it can't be turned into the id)."""
        return f"{self.bucket}~{self.digest}"


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_URL_SAFE).decode("ascii")


def new_session_id(bucket: str) -> str:
    """A fresh session id in ``bucket``. Raises whatever the system's random source raises; there is no second source."""
    return bucket + secrets.token_urlsafe(32)


def is_bucket(text: str) -> bool:
    """Whether ``text`` has the one spelling of a bucket."""
    return _BUCKET.fullmatch(text) is not None


def random_bucket() -> str:
    """A bucket for a session that belongs to nobody yet."""
    return f"{secrets.randbelow(BUCKETS):03x}"


def user_tag(user_id: str, namespace: str) -> str:
    """How the store names a user: 128 bits of a keyed hash, so that no key of the store spells out who somebody is."""
    return _base64(_user_digest(user_id, namespace)[:16])


def user_bucket(user_id: str, namespace: str) -> str:
    """The bucket of everything that belongs to ``user_id``: the same on every worker, and after a rotation of the secret."""
    return f"{int.from_bytes(_user_digest(user_id, namespace)[16:18], 'big') % BUCKETS:03x}"


def _user_digest(user_id: str, namespace: str) -> bytes:
    return hmac.digest(b"asgi_session.user\0" + namespace.encode(), user_id.encode("utf-8", "surrogatepass"), "sha256")


def store_key(session_id: str) -> StoreKey:
    """The place of ``session_id`` in the store."""
    return StoreKey(session_id[:3], _base64(hashlib.sha256(session_id.encode("ascii")).digest()))


def parse_handle(handle: str) -> StoreKey | None:
    """The store key that ``handle`` names, or None where it isn't a handle."""
    match = _HANDLE.fullmatch(handle)
    return StoreKey(match[1], match[2]) if match else None


def looks_like_credential(text: str) -> bool:
    """Whether ``text`` has the one spelling of a credential; says nothing about its signature."""
    return len(text) == CREDENTIAL_BYTES and _CREDENTIAL.fullmatch(text) is not None


class CredentialSigner:
    """Signs session ids with the first secret and accepts those signed with any of them.

    itsdangerous says what a signature is, and makes them. To check one, it would derive the key from the secret anew each time,
    which costs as much as the rest; so that is done once, and what remains is an HMAC and a comparison.
    """

    def __init__(self, secret_keys: Sequence[str]) -> None:
        # itsdangerous wants the oldest first: the last one signs
        self._signer = Signer(
            list(reversed(secret_keys)), salt=b"asgi_session.id", key_derivation="hmac", digest_method=hashlib.sha256
        )
        self._keys = tuple(self._signer.derive_key(secret) for secret in secret_keys)

    def sign(self, session_id: str) -> str:
        """The credential of ``session_id``."""
        return self._signer.sign(session_id).decode("ascii")

    def unsign(self, credential: str) -> str | None:
        """The session id in ``credential``; None where it is malformed or not signed by us. No I/O, constant-time compare."""
        if not looks_like_credential(credential):
            return None
        session_id, _, signature = credential.partition(".")
        signed = session_id.encode("ascii")
        for key in self._keys:
            if hmac.compare_digest(signature, _base64(hmac.digest(key, signed, "sha256"))):
                return session_id
        return None
