"""What a node of a Cluster says of itself, and when it is not to be believed."""

import pytest

from asgi_session.stores.redis.topology import slots_served

ME, OTHER, THIRD, REPLICA = "a" * 40, "b" * 40, "c" * 40, "d" * 40


def line(node: str, flags: str, slots: str = "", primary: str = "-") -> str:
    """A node's line as Redis 7 writes it."""
    words = f"{node} 127.0.0.1:7000@17000,host {flags} {primary} 0 1700000000000 1 connected"
    return f"{words} {slots}" if slots else words


def table(mine: str, *, other: str = "master", third: str = "master") -> str:
    """Three primaries and a replica."""
    others = line(OTHER, other, "100-199"), line(THIRD, third, "200-299"), line(REPLICA, "slave", primary=ME)
    return "\n".join([*others, mine, ""])


@pytest.mark.parametrize(
    ("slots", "served"),
    [
        ("0-3", {0, 1, 2, 3}),
        ("0-1 5 7-8", {0, 1, 5, 7, 8}),
        ("", set()),
        (f"0-3 [2->-{OTHER}]", {0, 1, 3}),
        (f"0-1 [2-<-{OTHER}]", {0, 1}),
        (f"[2-<-{OTHER}]", set()),
    ],
    ids=["range", "several", "none", "giving away", "taking over", "taking over the first"],
)
def test_slots_that_rest(slots: str, served: set[int]) -> None:
    """What is served, without what moves."""
    assert slots_served(table(line(ME, "myself,master", slots))) == served


@pytest.mark.parametrize("flags", ["myself,slave", "myself,master,fail", "myself,slave,nofailover"])
def test_no_primary(flags: str) -> None:
    """It was demoted, or knows that the others gave it up."""
    assert slots_served(table(line(ME, flags, "0-3"))) is None


def test_nobody_speaks() -> None:
    """An answer that is none."""
    assert slots_served("") is None
    assert slots_served(line(OTHER, "master", "0-3")) is None


@pytest.mark.parametrize(
    ("other", "third", "believed"),
    [
        ("master", "master,fail", True),
        ("master,fail?", "master", True),
        ("master,fail?", "master,fail?", False),
        ("master,fail", "master,fail", False),
    ],
)
@pytest.mark.security("LC-09")
def test_a_primary_without_a_majority(other: str, third: str, believed: bool) -> None:
    """The others may have chosen another one in its place, where sessions are revoked without its knowledge."""
    assert (slots_served(table(line(ME, "myself,master", "0-3"), other=other, third=third)) is not None) is believed


def test_those_without_slots_have_no_say() -> None:
    """A dead primary whose slots were taken over, and one that waits for its first, count neither way."""
    lines = [line(ME, "myself,master", "0-3"), *(line(OTHER, "master,fail") for _ in range(5)), line(THIRD, "master,noaddr")]
    assert slots_served("\n".join(lines)) == {0, 1, 2, 3}
