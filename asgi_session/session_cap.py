"""How many sessions a user may have at once."""

from dataclasses import dataclass
from typing import Literal

from .arguments import shown
from .exceptions import Problem

LARGEST_CAP = 1000
"""A login looks at each of its user's sessions: its cost has to stay bounded."""

CAP_REACHED = "The user has as many sessions as may be live at once. One of them has to end first."

WhenFull = Literal["evict_oldest", "refuse"]


@dataclass(frozen=True, slots=True)
class SessionCap:
    """At most ``limit`` live sessions of one user, exact over all processes: it is kept in the step that makes the session.

    A user who is at the cap already, and logs in once more, loses the session whose login lies furthest back
    (``"evict_oldest"``), or is refused with :class:`~asgi_session.SessionCapReached` (``"refuse"``). The first is what most
    services want: a thief's session goes sooner or later, while with the second a thief can keep the user out (security row LC-11).

    Who had more before there was a cap loses those above it at the next login: at most 1,000 at a time.
    """

    limit: int
    when_full: WhenFull = "evict_oldest"

    def problems(self) -> list[Problem]:
        """A cap that lets nobody in, or that can't be kept."""
        found = []
        if type(self.limit) is not int or not 1 <= self.limit <= LARGEST_CAP:
            fix = f"Use a whole number from 1 to {LARGEST_CAP}; or leave the cap out."
            found.append(Problem("session_cap.limit", f"is {shown(self.limit)}.", fix))
        if self.when_full not in ("evict_oldest", "refuse"):
            found.append(Problem("session_cap.when_full", f"is {shown(self.when_full)}.", "Use 'evict_oldest' or 'refuse'."))
        return found
