"""The machine's clocks."""

import time

from asgi_session.clock import SYSTEM_CLOCK, SystemClock


def test_the_system_clock_is_the_machines() -> None:
    """Seconds since the epoch, and seconds that never go back."""
    before = time.time(), time.monotonic()
    seen = SYSTEM_CLOCK.now(), SYSTEM_CLOCK.monotonic()
    after = time.time(), time.monotonic()
    assert before[0] <= seen[0] <= after[0]
    assert before[1] <= seen[1] <= after[1]


def test_one_is_as_good_as_another() -> None:
    """It has no state."""
    assert abs(SystemClock().monotonic() - SYSTEM_CLOCK.monotonic()) < 60
