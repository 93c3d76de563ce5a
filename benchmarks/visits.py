"""How visitors come, and what the best of caches could make of it. Needs the standard library only."""

import math
from dataclasses import dataclass
from random import Random

SHARED_CONNECTIONS = 64
"""Where they don't have their own."""
_WITHIN_A_PAGE = 0.1
"""Seconds from a request of a page to the next one."""


@dataclass(frozen=True)
class Visits:
    """So many sessions are visited at a steady rate, each request being the first one or a later one of a page."""

    sessions: int
    rate: float
    """Requests a second."""
    seconds: float
    skew: float = 0
    """A session's share of the visits falls with its rank to this power: 0, all alike; 1, as words in a text (Zipf)."""
    page: int = 1
    """Requests that a visit makes, a tenth of a second after each other."""
    fresh: float = 0
    """The share of requests that ask `require_fresh`."""
    own_connections: bool = False
    """Whether each session has an open connection of its own; else they share some."""

    def schedule(self, chance: Random) -> list[tuple[float, int]]:
        """When each request is due (seconds from the beginning), and whose it is."""
        count = round(self.rate * self.seconds / self.page)
        visitors = chance.choices(range(self.sessions), self._weights(), k=count)
        pace = self.page / self.rate
        return sorted(
            (number * pace + later * _WITHIN_A_PAGE, visitor)
            for number, visitor in enumerate(visitors)
            for later in range(self.page)
        )

    def possible_hits(self, lifetime: float) -> float:
        """The share of requests that a cache can answer which begins empty and keeps an entry for so many seconds, at best.

        After a load nothing is loaded for the lifetime, and then the next visit loads. So there is a k-th load where k visits
        come in what of the time is left beside k - 1 lifetimes; visits come by chance (Poisson).
        """
        weights = self._weights()
        visits = self.rate / self.page / sum(weights)
        lifetime = min(lifetime, self.seconds)
        most = math.ceil(self.seconds / lifetime)
        loads = sum(
            _at_least(k, visits * weight * (self.seconds - (k - 1) * lifetime)) for weight in weights for k in range(1, most + 1)
        )
        return 1 - loads / (self.rate * self.seconds)

    def _weights(self) -> list[float]:
        return [1 / rank**self.skew for rank in range(1, self.sessions + 1)]


def _at_least(k: int, expected: float) -> float:
    """How likely so many come by chance where so many are expected."""
    exactly = math.exp(-expected)
    fewer = exactly
    for number in range(1, k):
        exactly *= expected / number
        fewer += exactly
    return 1 - fewer
