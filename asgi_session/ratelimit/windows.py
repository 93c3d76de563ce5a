"""The arithmetic of the two strategies: the same numbers as ``limit.lua``, and the same admissions as ``limits``.

All times are whole milliseconds from any start.

``SlidingCounter`` follows the sliding-window counter that ``limits`` keeps in Redis: the first hit starts a window, the
next windows follow without a gap for as long as hits come, and the count of the window before is weighed with the share
of it that a window ending now would still cover. Its bound: never more than the limit inside one window of that grid,
and never more than ceil(x × limit) in the first share x of a window after the limit was used up at the end of the one
before. So there is no double burst around an edge, as a fixed window has it; but a window that straddles two of the grid
can hold up to 2 × limit, when the older hits came all at their window's end and the younger ones as early as they may.
Who needs never more than the limit in any window takes ``HitLog``, which pays with one entry for each unit.
"""

from bisect import bisect_left

from asgi_session.ratelimit.base import Quota

NEVER = -(1 << 62)
"""The start of a window that no hit has opened: long ago on every clock."""


class SlidingCounter:
    """Two counts and the start of the younger one's window."""

    __slots__ = ("current", "previous", "quota", "start", "window")

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.window = quota.window * 1000
        self.start = NEVER
        self.previous = 0
        self.current = 0

    def used(self, now: int) -> int:
        """Units in use; moves on to the window that ``now`` is in."""
        window = self.window
        age = now - self.start
        if age > window:
            if age >= 2 * window:
                self.start, self.previous, self.current = NEVER, 0, 0
                return 0
            self.start += window
            self.previous, self.current = self.current, 0
            age -= window
        elif age < 0:  # the clock stepped back: the window begins again, its counts stay (at most two windows too long)
            self.start, age = now, 0
        if not self.previous:
            return self.current
        return self.previous * (window - age) // window + self.current

    def add(self, now: int, units: int) -> None:
        """Count; ``used`` has been called with the same ``now``."""
        if self.start == NEVER:
            self.start = now
        self.current += units

    def learn(self, now: int, start: int, units: int) -> None:
        """Count from now on at least what ``units`` of a window that began at ``start`` count."""
        told = SlidingCounter(self.quota)
        told.start, told.current = start, units
        if told.used(now) > self.used(now):
            self.start, self.previous, self.current = told.start, told.previous, told.current

    def reset_in(self, now: int) -> int:
        """Milliseconds to the end of the current window; at least one, since the last one belongs to it."""
        return self.window if self.start == NEVER else max(1, self.start + self.window - now)

    def wait(self, now: int, cost: int) -> int:
        """Milliseconds until ``cost`` units fit, when they don't now; a whole window when they never will."""
        spare = self.quota.limit - cost
        if spare < 0:
            return self.window
        left = self.start + self.window - now
        if spare >= self.current:  # enough of the older count has to fade
            return left - _longest_fading(self.previous, self.window, spare - self.current)
        return left + self.window - _longest_fading(self.current, self.window, spare)

    def over(self, now: int) -> bool:
        """Whether nothing of it counts any more."""
        return now - self.start >= 2 * self.window


def _longest_fading(count: int, window: int, room: int) -> int:
    """The most milliseconds that a window before may still cover, so that its weighed count is at most ``room < count``."""
    return -(-(room + 1) * window // count) - 1


class HitLog:
    """The time of each unit, oldest first."""

    __slots__ = ("hits", "quota", "window")

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.window = quota.window * 1000
        self.hits: list[int] = []

    def used(self, now: int) -> int:
        """Units of the last window; forgets the older ones."""
        hits = self.hits
        if not hits:
            return 0
        if hits[-1] > now:  # the clock stepped back: what it called the future is now
            self.hits = hits = [min(hit, now) for hit in hits]
        oldest = now - self.window
        if hits[0] < oldest:
            del hits[: bisect_left(hits, oldest)]
        return len(hits)

    def add(self, now: int, units: int) -> None:
        """Count; ``used`` has been called with the same ``now``."""
        self.hits.extend((now,) * units)

    def learn(self, now: int, at: int, units: int) -> None:
        """Count from now on at least ``units``, as if all of them were used ``at`` the time when somebody counted them."""
        unheard = units - self.used(now)
        if unheard > 0 and at >= now - self.window:
            self.hits = sorted([*self.hits, *(at,) * unheard])

    def reset_in(self, now: int) -> int:
        """Milliseconds until the oldest unit is free again."""
        return self.hits[0] + self.window - now + 1 if self.hits else self.window

    def wait(self, now: int, cost: int) -> int:
        """Milliseconds until ``cost`` units fit, when they don't now; a whole window when they never will."""
        spare = self.quota.limit - cost
        if spare < 0:
            return self.window
        return self.hits[len(self.hits) - 1 - spare] + self.window - now + 1

    def over(self, now: int) -> bool:
        """Whether nothing of it counts any more."""
        return not self.hits or self.hits[-1] < now - self.window
