"""What was loaded, and how a session differs from it now."""

from typing import Any

import pytest

from asgi_session import Session, codec
from asgi_session.baseline import NOTHING, Baseline


def loaded(values: dict[str, Any]) -> tuple[Session, Baseline]:
    """A session as it was loaded."""
    session = Session(values)
    return session, Baseline.of(session, {key: codec.encode(key, value) for key, value in values.items()})


def encoded(session: Session) -> dict[str, bytes]:
    """What would be saved."""
    return {key: codec.encode(key, value) for key, value in dict.items(session)}


INSIDE: dict[str, Any] = {
    "append": lambda session: dict.get(session, "list").append(2),
    "replace inside": lambda session: dict.get(session, "list").__setitem__(0, "x"),
    "deep": lambda session: dict.get(session, "deep")["a"][0].update(b=2),
    "unstorable": lambda session: dict.get(session, "list").append(object()),
}


@pytest.mark.parametrize("change", INSIDE)
def test_changes_inside_are_found(change: str) -> None:
    """By comparing: no assignment to the session tells of them (design rule 4)."""
    session, baseline = loaded({"list": [1], "deep": {"a": [{"b": 1}]}, "plain": 1})
    assert not baseline.differs_inside(session)
    INSIDE[change](session)
    assert baseline.differs_inside(session)


def test_a_removed_value_differs() -> None:
    """The list that was there is None now."""
    session, baseline = loaded({"list": [1]})
    del session["list"]
    assert baseline.differs_inside(session)


def test_plain_values_are_not_looked_at() -> None:
    """They can't change in place; an assignment marks the session."""
    session, baseline = loaded({"plain": 1})
    session["plain"] = 2
    assert session.modified
    assert not baseline.differs_inside(session)


def test_only_what_differs_has_to_change() -> None:
    """Set, removed or left alone, key by key."""
    session, baseline = loaded({"same": 1, "other": 1, "gone": 1, "list": [1]})
    session["other"] = 2
    session["new"] = 3
    session["same"] = 1
    session["list"].append(2)
    del session["gone"]
    changes = baseline.changes_to(encoded(session), cleared=False, if_version=7)
    assert changes.set == {"other": b"2", "new": b"3", "list": b"[1,2]"}
    assert changes.remove == {"gone"}
    assert (changes.clear, changes.if_version) == (False, 7)


def test_after_a_clear_everything_is_new() -> None:
    """Also what is the same again."""
    session, baseline = loaded({"same": 1, "gone": 1})
    session.clear()
    session["same"] = 1
    changes = baseline.changes_to(encoded(session), cleared=True, if_version=None)
    assert (changes.set, changes.remove, changes.clear) == ({"same": b"1"}, frozenset(), True)


def test_nothing_is_where_new_sessions_start() -> None:
    """It is empty, and nothing differs from it inside."""
    assert not NOTHING
    assert not NOTHING.differs_inside(Session(a=[1]))
    assert bool(loaded({"a": 1})[1])
