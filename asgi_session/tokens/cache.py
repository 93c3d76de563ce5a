"""Tokens that were verified a moment ago, by the SHA-256 of the whole token (JW-26).

The cache belongs to one verifier, so the configuration is part of the key by construction; a new generation of keys empties
it, so nothing outlives the key that vouched for it. An entry never outlives its token, nor five minutes, and is good only for
the context that its token was verified in (design rule 9). The tokens themselves are not kept.

State belongs to the event loop's thread; each method runs without an await.
"""

from collections import OrderedDict
from hashlib import sha256

from ..clock import Clock
from .base import Context, Reverification, VerifiedToken

MAX_SECONDS = 300.0
DEFAULT_BYTES = 128 * 1024 * 1024

_OVERHEAD = 1000
_PER_CHAR = 18
"""Bytes that an entry takes for each character of its token, and beside them: measured (``tests/tokens/test_cache.py``). As many as
a token full of short roles takes, for usual ones are a third of it; looking at the claims instead would cost as much as their
signature does."""

_Entry = tuple[VerifiedToken, Context, float, int]
"""What was verified, in which context, when (monotonic), and the bytes that it takes."""


class VerifiedTokens:
    """At most ``size`` verified tokens of ``max_bytes`` together, the least recently used given up first; size 0 keeps none."""

    __slots__ = ("_bytes", "_entries", "_generation", "_max_bytes", "_monotonic", "_now", "_size")

    def __init__(self, size: int, clock: Clock, max_bytes: int = DEFAULT_BYTES) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._generation = 0
        self._bytes = 0
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        """Estimate of what the entries take."""
        return self._bytes

    def get(self, token: str, generation: int, context: Context, max_age: float) -> VerifiedToken | None:
        """The token, if it was verified in this ``context`` less than ``max_age`` seconds ago and is still good."""
        if generation != self._generation:
            self._clear()
            self._generation = generation
            return None
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        entry = self._entries.get(key)
        if entry is None:
            return None
        verified, verified_in, verified_at, _ = entry
        age = self._monotonic() - verified_at
        if age >= MAX_SECONDS or self._now() >= verified.expires_at:
            self._drop(key)
            return None
        if age >= max_age or context != verified_in:
            return None
        self._entries.move_to_end(key)
        return verified

    def why_again(self, token: str, context: Context) -> Reverification:
        """Why ``get`` doesn't give out a token that is here; empty where it isn't."""
        entry = self._entries.get(sha256(token.encode("utf-8", "surrogatepass")).digest())
        if entry is None:
            return ""
        return "stale" if entry[1] == context else "context"

    def put(self, token: str, generation: int, verified: VerifiedToken, context: Context) -> None:
        """Keep a token that was verified with the keys of ``generation``, in the place of what was known of it."""
        if generation != self._generation or self._size == 0:
            return
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        if key in self._entries:
            self._drop(key)
        size = _OVERHEAD + _PER_CHAR * len(token) + sum(map(len, context or ()))
        if size > self._max_bytes or self._now() >= verified.expires_at:
            return
        self._entries[key] = (verified, context, self._monotonic(), size)
        self._bytes += size
        while len(self._entries) > self._size or self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def forget(self, token: str) -> None:
        """A full look refused it: what was known of it is over."""
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        if key in self._entries:
            self._drop(key)

    def _clear(self) -> None:
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: bytes) -> None:
        self._bytes -= self._entries.pop(key)[3]
