"""The circuit breaker, on a clock of the test's own."""

from dataclasses import dataclass

import pytest

from asgi_session.breaker import CircuitBreaker
from asgi_session.exceptions import StoreUnavailable


@dataclass
class Clock:
    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    """Opens at the third failure, for 2 seconds, without jitter."""
    return CircuitBreaker(failures=3, reset_after=2.0, longest=4.0, clock=clock, chance=lambda: 0.0)


def trip(breaker: CircuitBreaker) -> None:
    """Makes it open."""
    for _ in range(breaker.failures):
        breaker.admit()
        breaker.failed()


def test_a_new_breaker_lets_everybody_through(breaker: CircuitBreaker) -> None:
    """Closed, nobody is refused."""
    breaker.admit()
    assert (breaker.state, breaker.retry_after) == ("closed", 0.0)


@pytest.mark.security("AV-04")
def test_it_opens_after_so_many_failures_in_a_row(breaker: CircuitBreaker) -> None:
    """The last of the allowed failures opens it, and callers learn how long to stay away."""
    trip(breaker)
    assert breaker.state == "open"
    with pytest.raises(StoreUnavailable) as refusal:
        breaker.admit()
    assert refusal.value.retry_after == 2.0


def test_a_success_starts_the_count_again(breaker: CircuitBreaker) -> None:
    """Failures count only in a row."""
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"


@pytest.mark.security("AV-04")
def test_half_open_lets_exactly_one_probe_through(breaker: CircuitBreaker, clock: Clock) -> None:
    """When its time is over, one caller gets through and the others are refused until that one reports."""
    trip(breaker)
    clock.time += 2.0
    assert breaker.state == "half-open"
    breaker.admit()
    assert breaker.state == "half-open"
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            breaker.admit()


def test_a_probe_that_is_answered_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    """After one answer everybody is let through, and the count starts at zero."""
    trip(breaker)
    clock.time += 2.0
    breaker.admit()
    breaker.succeeded()
    breaker.admit()
    assert (breaker.state, breaker.stats.failures_in_a_row) == ("closed", 0)


def test_each_failed_probe_makes_it_wait_longer_up_to_the_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    """2 seconds, then 3, then no more than the 4 that are allowed."""
    trip(breaker)
    waits = [breaker.retry_after]
    for _ in range(3):
        clock.time += breaker.retry_after
        breaker.admit()
        breaker.failed()
        waits.append(breaker.retry_after)
    assert waits == [2.0, 3.0, 4.0, 4.0]


def test_after_recovery_the_first_wait_is_short_again(breaker: CircuitBreaker, clock: Clock) -> None:
    """Growth does not outlive the outage."""
    trip(breaker)
    clock.time += 2.0
    breaker.admit()
    breaker.failed()
    clock.time += breaker.retry_after
    breaker.admit()
    breaker.succeeded()
    trip(breaker)
    assert breaker.retry_after == 2.0


def test_a_late_failure_does_not_prolong_the_wait(breaker: CircuitBreaker, clock: Clock) -> None:
    """Attempts that were under way when it opened tell nothing new."""
    trip(breaker)
    clock.time += 1.0
    breaker.failed()
    assert breaker.retry_after == 1.0
    assert breaker.stats.opened == 1


def test_a_late_answer_closes_it(breaker: CircuitBreaker) -> None:
    """An answer is proof, whenever it comes."""
    trip(breaker)
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_probe_that_never_reports_is_given_up(breaker: CircuitBreaker, clock: Clock) -> None:
    """A probe whose event loop ended does not keep everybody out for ever."""
    trip(breaker)
    clock.time += 2.0
    breaker.admit()
    clock.time += 2.0
    breaker.admit()


def test_jitter_only_shortens_the_wait(clock: Clock) -> None:
    """Many processes probe at different times, none later than it says."""
    breaker = CircuitBreaker(failures=1, reset_after=2.0, clock=clock, chance=lambda: 0.5)
    breaker.failed()
    assert breaker.retry_after == pytest.approx(1.8)


def test_a_sibling_has_the_same_settings_and_its_own_state(breaker: CircuitBreaker) -> None:
    """One server's silence says nothing about another's."""
    trip(breaker)
    sibling = breaker.sibling()
    assert sibling.state == "closed"
    trip(sibling)
    assert sibling.retry_after == 2.0


def test_stats_count_what_happened(breaker: CircuitBreaker) -> None:
    """Opened, refused and the row of failures are there for metrics."""
    trip(breaker)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            breaker.admit()
    stats = breaker.stats
    assert (stats.state, stats.failures_in_a_row, stats.opened, stats.refused) == ("open", 3, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"failures": 0}, "breaker.failures"),
        ({"reset_after": 0.0}, "breaker.reset_after"),
        ({"reset_after": 9.0, "longest": 1.0}, "breaker.longest"),
    ],
)
def test_bad_arguments_are_problems(arguments: dict[str, float], field: str) -> None:
    """Each mistake is named by its argument."""
    breaker = CircuitBreaker(**arguments)  # type: ignore[arg-type]
    assert [problem.field for problem in breaker.problems()] == [field]


def test_the_defaults_have_no_problems() -> None:
    """What nobody touched is right."""
    assert CircuitBreaker().problems() == []
