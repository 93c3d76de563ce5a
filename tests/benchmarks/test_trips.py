"""What counts as a trip."""

from benchmarks.trips import commands_of, trips_of
from tests.services.redis import Traffic


def test_the_link_is_not_counted() -> None:
    """Its questions come with the time, not with the requests."""
    traffic = Traffic({"evalsha": 3, "hello": 2, "ping": 1, "subscribe": 1}, reads=7)
    assert commands_of(traffic) == {"evalsha": 3}
    assert trips_of(traffic) == 3


def test_packets_that_hold_several_commands_are_one_trip() -> None:
    """A link's question may arrive in one read with a request's; then there is nothing left to count, and not less."""
    assert trips_of(Traffic({"hello": 2}, reads=1)) == 0
