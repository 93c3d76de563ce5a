"""Where time comes from: injected everywhere, so that no test has to wait for it."""

import asyncio
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

LOOK_EVERY = 30.0
"""Seconds after which who waits for a time of day looks at the clock again: it may have been set, or the machine was asleep."""


async def reached(moment: float, clock: Clock) -> None:
    """Return when it is ``moment``, seconds since the epoch. A wait that is cancelled leaves no timer behind."""
    while (left := moment - clock.now()) > 0:  # noqa: ASYNC110  # nobody else tells what time it is
        await asyncio.sleep(min(left, LOOK_EVERY))
