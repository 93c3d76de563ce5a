"""Where sessions went whose ids were regenerated lately, for a store that keeps this beside them.

Whoever ends a session means the session, not its id: a logout that was on its way while another request regenerated the id has to
reach the new one.
"""

from collections import OrderedDict

from ..clock import Clock
from ..ids import StoreKey

MOVED_FOR = 60.0
"""Seconds for which it is known: longer than a request takes."""
MAX_MOVES = 10_000

_MOST_STEPS = 16


class Moves:
    """From old keys to new ones. Bounded in time and number."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moves: OrderedDict[StoreKey, tuple[StoreKey, float]] = OrderedDict()

    def note(self, old: StoreKey, new: StoreKey) -> None:
        """The session of ``old`` is at ``new`` from now on."""
        now = self._clock.now()
        self._moves[old] = (new, now + MOVED_FOR)
        while len(self._moves) > MAX_MOVES or next(iter(self._moves.values()))[1] <= now:
            self._moves.popitem(last=False)

    def follow(self, key: StoreKey) -> StoreKey:
        """Where the session of ``key`` is now."""
        for _ in range(_MOST_STEPS):
            new, until = self._moves.get(key, (key, 0.0))
            if until <= self._clock.now():
                break
            key = new
        return key
