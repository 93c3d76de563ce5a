"""Requests of one session share what can't be changed, and nothing else."""

import copy
import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from asgi_session import codec
from asgi_session.session import Session
from asgi_session.snapshot import Snapshot
from tests.cache.parts import a_record

PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def snapshot_of(**values: Any) -> Snapshot:
    """Of a session with these values."""
    return Snapshot(a_record(data={key: codec.encode(key, value) for key, value in values.items()}))


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_a_session_holds_what_was_stored(values: dict[str, Any]) -> None:
    """Whatever JSON can hold."""
    assert dict(snapshot_of(**values).session()) == values


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=5))
@pytest.mark.security("ST-12")
def test_no_two_sessions_share_what_can_be_changed(values: dict[str, Any]) -> None:
    """Every list and dictionary, however deep, is a request's own."""
    snapshot = snapshot_of(**values)
    one, other = snapshot.session(), snapshot.session()
    spoil(dict(one))
    assert dict(other) == values
    assert dict(snapshot.session()) == values


def spoil(value: Any) -> None:
    """Change everything that can be changed."""
    for inner in list(value.values() if isinstance(value, dict) else value):
        if isinstance(inner, dict | list):
            spoil(inner)
    value.clear()


@pytest.mark.parametrize("stored", [b' [1, {"a": []}]', b'\n{"a": 1}', b"\t[]"])
def test_spelling_makes_nothing_shared(stored: bytes) -> None:
    """A store of somebody else's may keep the same JSON with white space in front."""
    snapshot = Snapshot(a_record(data={"key": stored}))
    one, other = snapshot.session(), snapshot.session()
    assert dict(one) == dict(other)
    assert one["key"] is not other["key"]


WAYS: list[Callable[[Session], Any]] = [
    lambda session: session["key"],
    lambda session: session.get("key"),
    lambda session: session.setdefault("key", 0),
    lambda session: session.copy()["key"],
    lambda session: dict(session)["key"],
    lambda session: {**session}["key"],
    lambda session: next(iter(session.values())),
    lambda session: dict(session.items())["key"],
    lambda session: (session | {})["key"],
    lambda session: ({} | session)["key"],
    lambda session: copy.copy(session)["key"],
    lambda session: copy.deepcopy(session)["key"],
    lambda session: session.pop("key"),
    lambda session: session.popitem()[1],
    lambda session: itemgetter("key")(session),
]
"""Each way in which Python gives out a dictionary's value."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [[1, [2]], {"a": {"b": 1}}])
@pytest.mark.security("ST-12")
def test_whoever_asks_gets_a_copy_of_his_own(way: Callable[[Session], Any], value: Any) -> None:
    """A plain one, whichever way he asks, to do with it what he likes."""
    snapshot = snapshot_of(key=value)
    got = way(snapshot.session())
    assert type(got) is type(value)
    spoil(got)
    assert snapshot.session()["key"] == value


def test_who_asks_twice_gets_the_same() -> None:
    """So that a change made in one place of a handler is there in another."""
    session = snapshot_of(key=[1]).session()
    session["key"].append(2)
    assert session["key"] == session.get("key") == [1, 2]


def test_what_nobody_asks_for_is_not_copied() -> None:
    """The other values of a session cost a request nothing, however large they are."""
    snapshot = snapshot_of(name="ann", cart=[1, 2, 3])
    one, other = snapshot.session(), snapshot.session()
    assert one["name"] == "ann"
    assert dict.get(one, "cart") is dict.get(other, "cart")


@pytest.mark.parametrize("read", [to_json, lambda session: json.dumps(session).encode()])
def test_serialisers_find_the_values(read: Callable[[Session], bytes]) -> None:
    """Also those that read a dictionary's memory and ask for nothing."""
    values = {"name": "ann", "cart": [{"sku": "A", "tags": ["x"]}]}
    assert json.loads(read(snapshot_of(**values).session())) == values


def test_assignments_stay_in_their_session() -> None:
    """Also those of plain values, and removals."""
    snapshot = snapshot_of(a=1, b="two")
    one = snapshot.session()
    one["a"] = 3
    del one["b"]
    one["c"] = 4
    assert dict(snapshot.session()) == {"a": 1, "b": "two"}


def test_its_size_grows_with_what_strings_take() -> None:
    """One character outside of the first 256 makes a whole string four times as large as its stored form."""
    plain, wide = snapshot_of(a="x" * 1000), snapshot_of(a="x" * 999 + "\N{GRINNING FACE}")
    assert 2_000 <= plain.size <= 3_000
    assert 5_000 <= wide.size <= 6_000
