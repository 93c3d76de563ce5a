"""What is said about arguments of a wrong type, and what stands in for them."""

from typing import Any

import pytest

from asgi_session.arguments import Arguments, is_number, shown, texts, within
from asgi_session.exceptions import Problem
from asgi_session.stores.base import SessionStore
from asgi_session.stores.memory import MemoryStore


def found_by(**argument: Any) -> tuple[Any, list[str]]:
    """What is taken of an argument that has to be a whole number, and what is said."""
    given = Arguments()
    ((field, value),) = argument.items()
    taken = given.one(field, value, int, default=7, fix="Write a number.")
    return taken, [str(problem) for problem in given.problems]


def test_what_is_right_is_taken_as_it_is() -> None:
    """Without a word."""
    assert found_by(size=3) == (3, [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("3", "of type str"),
        (None, "None"),
        (True, "of type bool"),
        (3.0, "of type float"),
        (int, "the class int"),
        ([3], "of type list"),
    ],
)
def test_what_is_wrong_is_said_and_its_default_stands_in(value: Any, said: str) -> None:
    """With the argument's name, what it is, and what to do; True is no number, and a class none of its objects."""
    assert found_by(size=value) == (7, [f"size: is {said}. Write a number."])


@pytest.mark.security("LG-01")
def test_no_value_is_shown() -> None:
    """A secret may stand where something else belongs."""
    assert "hunter2" not in str(found_by(size="redis://:hunter2@localhost"))


def test_a_protocol_is_a_type_too() -> None:
    """An object that can do all of it passes; its class, which has the same methods, does not."""
    given = Arguments()
    store, default = MemoryStore(), MemoryStore()
    assert given.one("store", store, SessionStore, default=default, fix="") is store
    for wrong in (MemoryStore, object()):
        assert given.one("store", wrong, SessionStore, default=default, fix="") is default
    assert [problem.field for problem in given.problems] == ["store", "store"]


@pytest.mark.parametrize(
    ("value", "taken", "wrong"),
    [
        (None, {}, []),
        (3, {"sizes": 3}, []),
        ([], {}, []),
        ([3, 4], {"sizes[0]": 3, "sizes[1]": 4}, []),
        ((size for size in (3, 4)), {"sizes[0]": 3, "sizes[1]": 4}, []),
        (["3", 4, None], {"sizes[1]": 4}, ["sizes[0]", "sizes[2]"]),
        ("34", {}, ["sizes"]),
        (b"34", {}, ["sizes"]),
        ({3: 4}, {}, ["sizes"]),
        (3.5, {}, ["sizes"]),
    ],
)
def test_a_list_of_arguments(value: Any, taken: dict[str, int], wrong: list[str]) -> None:
    """A lone one is a list of one, None of none; each keeps its place, whatever is wrong with its neighbours."""
    given = Arguments()
    assert given.several("sizes", value, int, fix="Write numbers.") == taken
    assert [problem.field for problem in given.problems] == wrong


@pytest.mark.parametrize(
    ("value", "members"), [(None, ()), ("abc", ("abc",)), (["a", "b"], ("a", "b")), (5, (5,)), (b"ab", (b"ab",)), ((), ())]
)
def test_a_lone_text_is_one(value: Any, members: tuple[Any, ...]) -> None:
    """And not a list of its letters; what is no list becomes the only member, for whoever looks at members."""
    assert texts(value) == members


@pytest.mark.parametrize("value", [0, 5, 2.5, 10])
def test_numbers(value: float) -> None:
    """From the lowest to the highest, both included."""
    assert is_number(value, 0, 10)


@pytest.mark.parametrize("value", ["5", None, True, -1, 10.1, float("nan"), float("inf"), 10**400, 1j])
def test_what_is_no_number_in_range(value: Any) -> None:
    """Of another type, outside, or not a number at all."""
    assert not is_number(value, 0, 10)


def test_a_long_value_is_shown_in_part() -> None:
    """A message stays a line."""
    assert shown("a" * 500) == repr("a" * 80)
    assert len(shown(list(range(1000)))) == 120
    assert shown(5) == "5"


def test_problems_of_a_part_are_found_by_its_argument() -> None:
    """What stands in `bearer[0]` and calls something `audience` is found as `bearer[0].audience`."""
    assert within("bearer[0]", [Problem("audience", "is missing.", "Name it.")]) == [
        Problem("bearer[0].audience", "is missing.", "Name it.")
    ]
