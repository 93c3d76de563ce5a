"""The L1 without one of its guards, each: what looks at races has to notice."""

from typing import Any

from asgi_session.cache.link import Invalidation
from asgi_session.cache.sessions import Entry, Fill, SessionCache


class NoRace(SessionCache):
    """Keeps answers that raced news."""

    def begin(self, key: Any) -> Fill:
        fill = super().begin(key)
        self._fills.clear()
        return fill


class NoLoss(SessionCache):
    """Does not care that a link was lost."""

    def get(self, credential: str, now: float) -> Entry | None:
        entry = self._entries.get(credential)
        if entry is not None:
            entry.generation = entry.lease.generation
        return super().get(credential, now)

    def hear(self, news: Invalidation | None) -> None:
        if news is not None:
            super().hear(news)


class NoLease(SessionCache):
    """Believes in silence for ever."""

    def get(self, credential: str, now: float) -> Entry | None:
        return self._entries.get(credential)


class BlindFill(SessionCache):
    """Keeps answers to questions that were asked while nobody would have told of news."""

    def begin(self, key: Any) -> Fill:
        fill = super().begin(key)
        fill.heard = True
        return fill


class Deaf(SessionCache):
    """Drops nothing."""

    def hear(self, news: Invalidation | None) -> None:
        """News are not for everybody."""


class HardOfHearing(SessionCache):
    """Hears of single sessions alone."""

    def _hear_of_many(self, news: Invalidation) -> None:
        """Too many."""


class Trusting(SessionCache):
    """Takes any change for one that it has seen."""

    def _hear_of_one(self, news: Invalidation) -> None:
        if news.kind != "changed":
            super()._hear_of_one(news)
