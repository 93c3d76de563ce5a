"""Where a verifier has its keys from: given once and for all (here), or published by the issuer (``jwks``)."""

from typing import Protocol

from .health import KeysHealth
from .keys import VerificationKey
from .refusals import refused


class Ring(Protocol):
    """The keys of one moment."""

    def __len__(self) -> int: ...

    def find(self, algorithm: str, key_id: str | None) -> VerificationKey | None:
        """The key for a token; None where the issuer may have a newer one."""
        ...


class KeySource(Protocol):
    """The keys of one issuer over time."""

    @property
    def generation(self) -> int:
        """Differs before and after each change of the keys."""
        ...

    async def start(self) -> None:
        """Begin what runs beside the requests."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...

    def ring(self) -> Ring | None:
        """The keys that may be used without waiting."""
        ...

    async def find(self, algorithm: str, key_id: str | None) -> VerificationKey:
        """The key for a token, or TokenInvalid, or KeysUnavailable."""
        ...

    def health(self) -> KeysHealth:
        """How the keys are just now."""
        ...


class FixedKeys:
    """Keys that the application brings along: nothing is fetched, nothing ages."""

    generation = 0

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def ring(self) -> Ring:
        """The keys."""
        return self._ring

    async def find(self, algorithm: str, key_id: str | None) -> VerificationKey:
        """The key for a token.

        Raises:
            TokenInvalid: ``unknown_key``, ``key_mismatch`` or ``key_ambiguous``.
        """
        key = self._ring.find(algorithm, key_id)
        if key is None:
            raise refused("unknown_key")
        return key

    def health(self) -> KeysHealth:
        """How many there are."""
        return KeysHealth(keys=len(self._ring))
