"""Tokens that were verified a moment ago, by the SHA-256 of the whole token (JW-26).

The cache belongs to one verifier, so the configuration is part of the key by construction; a new generation of keys empties
it, so nothing outlives the key that vouched for it. An entry never outlives its token, nor five minutes. The tokens themselves
are not kept.
"""

from collections import OrderedDict
from hashlib import sha256

from ..clock import Clock
from .base import VerifiedToken

MAX_SECONDS = 300.0


class VerifiedTokens:
    """At most ``size`` verified tokens, the least recently used ones given up first; 0 keeps none."""

    __slots__ = ("_clock", "_entries", "_generation", "_size")

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._generation = 0
        self._entries: OrderedDict[bytes, tuple[VerifiedToken, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, token: str, generation: int) -> VerifiedToken | None:
        """The verified token, if it is known and still good."""
        if generation != self._generation:
            self._entries.clear()
            self._generation = generation
            return None
        key = _digest(token)
        entry = self._entries.get(key)
        if entry is None:
            return None
        verified, until = entry
        if self._clock.now() >= verified.expires_at or self._clock.monotonic() >= until:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return verified

    def put(self, token: str, generation: int, verified: VerifiedToken) -> None:
        """Keep a token that was verified with the keys of ``generation``."""
        if generation != self._generation or self._size == 0 or self._clock.now() >= verified.expires_at:
            return
        self._entries[_digest(token)] = (verified, self._clock.monotonic() + MAX_SECONDS)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
