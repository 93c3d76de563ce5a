"""How long a session lives. All in seconds; pure arithmetic."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Self

from .arguments import is_number, shown
from .exceptions import Problem, SessionError

DAY = 24 * 3600.0
LONGEST = 400 * DAY
"""No lifetime is longer: browsers cap a cookie's Max-Age here (rfc6265bis §5.5), and no timeout may mean "for ever"."""
TOUCH_SHARE = 0.05
"""A request slides the idle timeout only when this share of it has passed since the last slide, so that reads stay reads."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Idle timeout (since the last request) and absolute timeout (since the login or the creation); the earlier one ends it.

    Presets of NIST SP 800-63B-4 §2.1.3, §2.2.3, §2.3.3: :meth:`aal1`, :meth:`aal2`, :meth:`aal3`.
    """

    idle: float = 14 * DAY
    absolute: float = 30 * DAY

    @classmethod
    def aal1(cls) -> Self:
        """30 days, no shorter idle timeout asked for."""
        return cls(idle=30 * DAY, absolute=30 * DAY)

    @classmethod
    def aal2(cls) -> Self:
        """24 hours, 1 hour idle."""
        return cls(idle=3600.0, absolute=DAY)

    @classmethod
    def aal3(cls) -> Self:
        """12 hours, 15 minutes idle."""
        return cls(idle=900.0, absolute=12 * 3600.0)

    @property
    def touch_after(self) -> float:
        """Seconds after the last slide at which the next request slides again."""
        return max(0.0, min(self.idle, self.absolute)) * TOUCH_SHARE

    def limited_to(self, lifetime: float) -> Self:
        """The same policy for one session that may live ``lifetime`` seconds at most, idle or not (remember-me, step-up).

        ``absolute`` is a ceiling (AAL3 calls for one): a longer lifetime is cut to it. Whoever wants to remember some users for
        longer than others raises the ceiling, and gives the others a lifetime.

        Raises:
            SessionError: that is longer than any session may live, or no time at all.
        """
        ends = min(finite(lifetime), self.absolute)
        return replace(self, idle=ends, absolute=ends)

    def problems(self) -> list[Problem]:
        """What is wrong with these lifetimes."""
        found = []
        for field, value in (("idle_timeout", self.idle), ("absolute_timeout", self.absolute)):
            if not is_number(value, -LONGEST, LONGEST):
                found.append(Problem(field, f"{shown(value)} is not a finite time.", f"Use at most {LONGEST:.0f} s (400 days)."))
        return found


def finite(lifetime: float) -> float:
    """``lifetime``, if it is one: nothing lives for ever. Zero or less is one, and over at once.

    Raises:
        SessionError: it isn't.
    """
    if not isfinite(lifetime) or lifetime > LONGEST:
        raise SessionError(f"A lifetime of {lifetime!r} s is not finite. Use at most {LONGEST:.0f} s (400 days).")
    return lifetime


def deadline(last_seen_at: float, idle_timeout: float, expires_at: float) -> float:
    """When a session ends, seconds since the epoch, if no request comes any more."""
    return min(last_seen_at + idle_timeout, expires_at)
