"""Where time comes from: injected everywhere, so that no test has to wait for it."""

import time
from typing import Protocol


class Clock(Protocol):
    """The two times that the package reads; both in seconds."""

    def now(self) -> float:
        """Wall-clock time, seconds since the epoch: for whatever is stored or compared with a token's claims."""
        ...

    def monotonic(self) -> float:
        """Time that never steps back: for deadlines, cool-downs and ages inside one process."""
        ...


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)
    """Seconds since the epoch."""
    monotonic = staticmethod(time.monotonic)
    """Seconds from an arbitrary start."""


SYSTEM_CLOCK = SystemClock()
