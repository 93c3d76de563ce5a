"""Fixtures of the token tests."""

import pytest

from tests.tokens.parts import StoppedClock


@pytest.fixture
def clock() -> StoppedClock:
    """A clock that the test turns."""
    return StoppedClock()
