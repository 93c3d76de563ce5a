"""The numbers that stand for many."""

import pytest

from benchmarks.statistics import Spread, percentile
from benchmarks.suite.limit_exactness import most_in_any


def test_spread_of_many_rounds() -> None:
    """The middle and the quartiles; an outlier moves neither."""
    assert Spread.of([3, 1, 2, 5, 1000]) == Spread(middle=3, low=2, high=5)


def test_spread_of_one_round() -> None:
    """A quick run has one round."""
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


@pytest.mark.parametrize(("share", "value"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentile_is_one_of_the_values(share: float, value: int) -> None:
    """The nearest rank, whatever the order of the values."""
    assert percentile(list(range(100, 0, -1)), share) == value


def test_most_in_any_window() -> None:
    """The window may begin at any moment; both its ends belong to it."""
    assert most_in_any([0.0, 0.9, 1.0, 1.1, 1.9, 2.5], 1.0) == 4
    assert most_in_any([], 1.0) == 0
