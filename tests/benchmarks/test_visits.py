"""How visitors come."""

from random import Random

import pytest

from benchmarks.visits import Visits


def test_requests_come_at_the_rate() -> None:
    """As many as were asked for, in order, whether they come alone or as pages."""
    for page in (1, 5):
        due = [when for when, _ in Visits(10, rate=100, seconds=3, page=page).schedule(Random(1))]
        assert len(due) == 300
        assert due == sorted(due)
        assert 2.9 < due[-1] < 3.5


def test_a_page_is_one_visitor_s() -> None:
    """Its requests follow each other a tenth of a second apart."""
    visits = Visits(1000, rate=5, seconds=1, page=5).schedule(Random(1))
    assert len({visitor for _, visitor in visits}) == 1
    assert [when for when, _ in visits] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_some_come_more_often() -> None:
    """With a skew of 1 the first has about twice the visits of the second."""
    visitors = [visitor for _, visitor in Visits(100, rate=1000, seconds=60, skew=1).schedule(Random(1))]
    assert visitors.count(0) / visitors.count(1) == pytest.approx(2, rel=0.1)


@pytest.mark.lengthy
def test_hits_in_the_long_run() -> None:
    """A visit each 10 s and an entry's life of 30 s are three hits for each load."""
    assert Visits(100, rate=10, seconds=10_000).possible_hits(30) == pytest.approx(0.75, abs=0.001)


@pytest.mark.parametrize("visits", [Visits(200, 20, 60), Visits(200, 20, 60, skew=1), Visits(200, 20, 60, skew=1, page=5)])
def test_hits_are_those_of_a_cache(visits: Visits) -> None:
    """The arithmetic agrees with a cache that is played through."""
    hits, asked = 0, 0
    for seed in range(40):
        loaded: dict[int, float] = {}
        for due, visitor in visits.schedule(Random(seed)):
            asked += 1
            if visitor in loaded and due < loaded[visitor] + 30:
                hits += 1
            else:
                loaded[visitor] = due
    assert hits / asked == pytest.approx(visits.possible_hits(30), abs=0.01)
