"""What requests are lent: it reads as what it is, and nobody can change it."""

import copy
import json
import pickle
from collections.abc import Callable
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import to_json

from asgi_session import codec
from asgi_session.frozen import LENT, FrozenDict, FrozenList, LentDict, LentList, lend, most_memory, own

LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
INNER = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
CONTAINERS = st.lists(INNER) | st.dictionaries(st.text(), INNER)
DEEP = {"list": [1, {"inner": ["x"]}], "dict": {"a": {"b": []}}}


def lent(value: Any) -> Any:
    """As a snapshot lends it."""
    return lend(codec.encode("key", value))


def containers(value: Any) -> list[Any]:
    """The value and all lists and dictionaries inside."""
    inside = value.values() if isinstance(value, dict) else value
    return [value, *(deeper for inner in inside if isinstance(inner, dict | list) for deeper in containers(inner))]


@given(CONTAINERS)
def test_it_reads_as_what_was_stored(value: Any) -> None:
    """For Python, for JSON, and for a serialiser that looks into its memory."""
    shared = lent(value)
    assert shared == value
    assert json.dumps(shared) == json.dumps(value)
    assert to_json(shared) == to_json(value)


@given(CONTAINERS)
def test_every_container_inside_is_frozen(value: Any) -> None:
    """However deep; only the outermost are what a session takes for lent."""
    outermost, *inner = containers(lent(value))
    assert type(outermost) in LENT
    assert {type(container) for container in inner} <= {FrozenDict, FrozenList}


DICT_CHANGES: list[Callable[[Any], object]] = [
    lambda value: value.__setitem__("a", 1),
    lambda value: value.__delitem__("a"),
    lambda value: value.__ior__({}),
    lambda value: value.clear(),
    lambda value: value.pop("a", None),
    lambda value: value.popitem(),
    lambda value: value.setdefault("a"),
    lambda value: value.update(a=1),
]
LIST_CHANGES: list[Callable[[Any], object]] = [
    lambda value: value.__setitem__(0, 1),
    lambda value: value.__delitem__(0),
    lambda value: value.__iadd__([1]),
    lambda value: value.__imul__(2),
    lambda value: value.append(1),
    lambda value: value.clear(),
    lambda value: value.extend([1]),
    lambda value: value.insert(0, 1),
    lambda value: value.pop(),
    lambda value: value.remove(1),
    lambda value: value.reverse(),
    lambda value: value.sort(),
]


@pytest.mark.parametrize("change", DICT_CHANGES)
def test_a_dictionary_refuses_every_change(change: Callable[[Any], object]) -> None:
    """And says what to do."""
    shared = lent({"a": 1})
    with pytest.raises(TypeError, match=r"session\[key\]"):
        change(shared)
    assert shared == {"a": 1}


@pytest.mark.parametrize("change", LIST_CHANGES)
def test_a_list_refuses_every_change(change: Callable[[Any], object]) -> None:
    """As a dictionary does."""
    shared = lent([1])
    with pytest.raises(TypeError, match=r"session\[key\]"):
        change(shared)
    assert shared == [1]


@pytest.mark.parametrize(("kind", "plain"), [(FrozenDict, dict), (FrozenList, list)])
def test_no_method_that_changes_is_forgotten(kind: type, plain: type) -> None:
    """Whatever a later Python adds: each method that its frozen kind inherits was looked at."""
    looked_at = {
        dict: {"copy", "fromkeys", "get", "items", "keys", "values", "__or__", "__ror__", "__reversed__", "__class_getitem__"},
        list: {"copy", "count", "index", "__add__", "__mul__", "__rmul__", "__reversed__", "__class_getitem__"},
    }[plain]
    of_all = set(dir(object)) | {"__contains__", "__getitem__", "__iter__", "__len__"}
    inherited = {name for name in dir(plain) if getattr(kind, name) is getattr(plain, name)}
    bound = {name for name in dir(plain) if callable(getattr(plain, name)) and name not in vars(kind)}
    assert (inherited | bound) - of_all - looked_at == set()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_deep_copies_can_be_changed(duplicate: Callable[[Any], Any]) -> None:
    """To the bottom."""
    for container in containers(duplicate(lent(DEEP))):
        assert type(container) in (dict, list)
        container.clear()


def test_what_is_taken_belongs_to_its_taker() -> None:
    """Two who take the same value share nothing."""
    shared = lent(DEEP)
    for container in containers(own(shared)):
        container.clear()
    assert own(shared) == shared == DEEP


def test_white_space_in_front_hides_no_scalar() -> None:
    """A store of somebody else's may spell JSON like this; a scalar is lent as it is."""
    assert lend(b" 5") == 5
    assert type(lend(b"\n[5]")) is LentList
    assert type(lend(b" {}")) is LentDict


def deep_size(value: Any) -> int:
    """Bytes of all that is reachable, each object once."""
    seen: dict[int, int] = {}

    def look(part: Any) -> None:
        if id(part) not in seen:
            seen[id(part)] = getsizeof(part)
            for inner in [*part.keys(), *part.values()] if isinstance(part, dict) else part if isinstance(part, list) else ():
                look(inner)

    look(value)
    return sum(seen.values())


@given(CONTAINERS)
@example([[] for _ in range(50)])
@example([{} for _ in range(50)])
@example({str(number): number for number in range(1000, 2000)})
@example([{f"{at} {number}": number for number in range(1000, 1006)} for at in range(20)])
@example([f"{number}" for number in range(1000, 1200)])
@example([number / 3 for number in range(100)])
@example([10**9 + number for number in range(100)])
@example(["x" * 999 + "\N{GRINNING FACE}"])
@example(["\N{GRINNING FACE}" * 10 + "x" * 10 for _ in range(100)])
@example(["x" * 999 + "\N{GRINNING FACE}" for _ in range(9)])
@pytest.mark.security("ST-12")
def test_the_bound_on_its_memory_holds(value: Any) -> None:
    """Also for data that an attacker shaped."""
    raw = codec.encode("key", value)
    assert deep_size(lend(raw)) <= most_memory(raw)


def test_the_bound_counts_what_escapes_stand_for() -> None:
    """A store of somebody else's may keep pure ASCII."""
    raw = b'["' + b"x" * 999 + b'\\ud83d\\ude00"]'
    assert deep_size(lend(raw)) <= most_memory(raw)
