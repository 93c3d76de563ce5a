"""A record as the fields of a hash."""

import pytest

from asgi_session.stores.redis.fields import milliseconds


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.0, 1000), (0.0001, 1), (0.0, 0), (-0.0001, 0), (-1.0, -1000), (1.0001, 1001), (1e9, 10**12)]
)
def test_a_time_above_zero_never_becomes_zero(seconds: float, expected: int) -> None:
    """Redis counts in milliseconds; what is less lives for one, and zero or less stays over at once."""
    assert milliseconds(seconds) == expected
