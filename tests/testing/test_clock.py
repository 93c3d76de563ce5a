"""The clock that tests move."""

import pytest

from asgi_session.clock import Clock
from asgi_session.testing import ManualClock


def test_it_stands_still_and_moves_when_told() -> None:
    """Both times together; it is a clock as the package wants one."""
    clock: Clock = ManualClock(100.0)
    assert (clock.now(), clock.monotonic()) == (clock.now(), clock.monotonic())
    before = clock.monotonic()
    assert isinstance(clock, ManualClock)
    clock.advance(5)
    assert (clock.now(), clock.monotonic() - before) == (105.0, 5)


def test_the_wall_clock_can_be_set() -> None:
    """Forward and back, while the monotonic time goes on as if nothing had happened."""
    clock = ManualClock(100.0)
    before = clock.monotonic()
    clock.adjust(-60)
    clock.adjust(10)
    assert (clock.now(), clock.monotonic()) == (50.0, before)


def test_time_does_not_pass_backwards() -> None:
    """The error names what does."""
    with pytest.raises(ValueError, match=r"adjust\(\)"):
        ManualClock().advance(-1)
