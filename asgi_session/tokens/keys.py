"""From a provider's key set to keys that may verify: filtered, imported one by one, found by name (JW-03, JW-19 to JW-21).

One broken or foreign entry must not cost the others, and an entry that could sign, is too short, or has a namesake is worse
than none.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from joserfc.jws import JWSRegistry

from .algorithms import fits
from .format import MAX_KEY_ID_CHARS, decode_segment
from .refusals import refused

MAX_KEYS = 100
RSA_BITS = range(2048, 8193)
RSA_EXPONENTS = range(65537, 2**32, 2)
"""Larger exponents are legal, used by nobody, and make each verification dearer: up to 100 ms."""

_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BROKEN = (JoseError, ValueError, KeyError, TypeError, OverflowError, UnsupportedAlgorithm)


class Signature(Protocol):
    """The part of joserfc's algorithms that is used here."""

    def verify(self, msg: bytes, sig: bytes, key: Any) -> bool:
        """Whether ``sig`` is the signature of ``msg``."""
        ...


class VerificationKey:
    """A public key (or a shared secret) and the algorithms that it may verify with."""

    __slots__ = ("_algorithms", "_key", "fingerprint", "key_id")

    def __init__(self, key: Key, key_id: str | None, algorithms: Collection[str]) -> None:
        self.key_id = key_id
        self._key = key
        # Taken from joserfc's table: its registry would warn at every call with EdDSA, the name that Keycloak uses.
        self._algorithms: dict[str, Signature] = {name: JWSRegistry.algorithms[name] for name in algorithms}
        self.fingerprint = (key_id, key.thumbprint(), tuple(sorted(self._algorithms)))

    def fits(self, algorithm: str) -> bool:
        """Whether the key is one for the algorithm."""
        return algorithm in self._algorithms

    def verifies(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether the signature is right; the key has to fit the algorithm."""
        return self._algorithms[algorithm].verify(signing_input, signature, self._key)


class KeyRing:
    """The keys of one issuer at one moment. Never changed: a refresh makes a new one."""

    __slots__ = ("_by_id", "_keys", "fingerprint")

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys = _without_namesakes(keys)
        self._by_id = {key.key_id: key for key in self._keys if key.key_id is not None}
        self.fingerprint = frozenset(key.fingerprint for key in self._keys)
        """Equal for two rings exactly if they verify the same tokens."""

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, algorithm: str, key_id: str | None) -> VerificationKey | None:
        """The key for a token; None where the issuer may have a newer one.

        Raises:
            TokenInvalid: ``key_mismatch`` or ``key_ambiguous``.
        """
        if key_id is None:
            return self._only_candidate(algorithm)
        key = self._by_id.get(key_id)
        if key is not None and not key.fits(algorithm):
            raise refused("key_mismatch")
        return key

    def _only_candidate(self, algorithm: str) -> VerificationKey | None:
        candidates = [key for key in self._keys if key.fits(algorithm)]
        if len(candidates) > 1:
            raise refused("key_ambiguous")
        return candidates[0] if candidates else None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a published key set."""

    ring: KeyRing
    dropped: tuple[str, ...]
    """Why each unusable entry was left out, in the order of the set; holds nothing of the entry itself."""


def import_keys(entries: Iterable[object], algorithms: Collection[str]) -> Imported:
    """The usable keys among the ``keys`` of a JWK set; only its first 100 entries are looked at."""
    keys: list[VerificationKey] = []
    dropped: list[str] = []
    for index, entry in enumerate(entries):
        if index == MAX_KEYS:
            dropped.append(f"more than {MAX_KEYS} entries")
            break
        try:
            keys.append(_usable(entry, algorithms))
        except _Unusable as reason:
            dropped.append(str(reason))
    return Imported(KeyRing(keys), tuple(dropped))


class _Unusable(Exception):
    """Why an entry is left out."""


def _usable(entry: object, algorithms: Collection[str]) -> VerificationKey:
    if not isinstance(entry, Mapping):
        raise _Unusable("not an object")
    if not _SECRET_MEMBERS.isdisjoint(entry):
        raise _Unusable("secret or private key")
    if entry.get("use", "sig") != "sig":
        raise _Unusable("not for signatures (use)")
    if not _may_verify(entry):
        raise _Unusable("not for verification (key_ops)")
    key_id = entry.get("kid")
    if key_id is not None and not (isinstance(key_id, str) and 0 < len(key_id) <= MAX_KEY_ID_CHARS):
        raise _Unusable("malformed name (kid)")
    accepted = _algorithms_of(entry, algorithms)
    if not accepted:
        raise _Unusable("no accepted algorithm (kty, crv, alg)")
    return VerificationKey(_public_key(entry), key_id, accepted)


def _may_verify(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _algorithms_of(entry: Mapping[str, Any], accepted: Collection[str]) -> list[str]:
    key_type, curve, declared = entry.get("kty"), entry.get("crv"), entry.get("alg")
    if not isinstance(key_type, str) or not (curve is None or isinstance(curve, str)):
        return []
    fitting = [name for name in accepted if fits(name, key_type, curve)]
    return fitting if declared is None else [name for name in fitting if name == declared]


def _public_key(entry: Mapping[str, Any]) -> Key:
    """Import nothing but the members that make the key: whatever else an entry holds can neither break nor bend it."""
    try:
        if entry["kty"] == "RSA":
            _check_rsa_numbers(entry)
        return import_key({name: entry[name] for name in _MEMBERS[entry["kty"]]})
    except _BROKEN:
        pass
    raise _Unusable("malformed key")


def _check_rsa_numbers(entry: Mapping[str, Any]) -> None:
    """Before the import: joserfc warns about short keys instead of refusing them, and a huge one is costly to look at."""
    modulus, exponent = _integer(entry["n"]), _integer(entry["e"])
    if modulus.bit_length() not in RSA_BITS or modulus % 2 == 0:
        raise _Unusable(f"RSA modulus even, or not of {RSA_BITS[0]} to {RSA_BITS[-1]} bit")
    if exponent not in RSA_EXPONENTS:
        raise _Unusable("RSA exponent even or out of range")


def _integer(member: str) -> int:
    """The number, or 0 where it is malformed or so long that nobody has to know how long."""
    return int.from_bytes(decode_segment(member) or b"") if len(member) <= RSA_BITS[-1] // 4 else 0


_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("kty", "n", "e"),
    "EC": ("kty", "crv", "x", "y"),
    "OKP": ("kty", "crv", "x"),
}


def _without_namesakes(keys: Iterable[VerificationKey]) -> tuple[VerificationKey, ...]:
    """Two different keys of one name: nobody can say which is meant, so neither counts. The same key twice is one."""
    kept: dict[object, VerificationKey | None] = {}
    for key in keys:
        name = key.fingerprint if key.key_id is None else key.key_id
        known = kept.setdefault(name, key)
        if known is None or known.fingerprint != key.fingerprint:
            kept[name] = None
    return tuple(key for key in kept.values() if key is not None)
