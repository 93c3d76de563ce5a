"""The dictionary in the scope: a dictionary in every way, that notices what is done to it."""

import copy
import json
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from asgi_session import Session
from asgi_session.snapshot import Snapshot
from tests.cache.parts import a_record

DATA: dict[str, Any] = {"a": 1, "b": [1, {"c": None}]}
WRITES: dict[str, Callable[[Session], Any]] = {
    "[]=": lambda session: session.__setitem__("x", 1),
    "del": lambda session: session.__delitem__("a"),
    "clear": lambda session: session.clear(),
    "pop": lambda session: session.pop("a"),
    "popitem": lambda session: session.popitem(),
    "setdefault": lambda session: session.setdefault("x", 1),
    "update": lambda session: session.update({"x": 1}),
    "update()": lambda session: session.update(x=1),
    "|=": lambda session: session.__ior__({"x": 1}),
    "mark_modified": lambda session: session.mark_modified(),
}
NO_WRITES: dict[str, Callable[[Session], Any]] = {
    "setdefault": lambda session: session.setdefault("a", 2),
    "get": lambda session: session.get("a"),
    "in": lambda session: "a" in session,
    "|": lambda session: session | {"x": 1},
    "copy": lambda session: session.copy().clear(),
    "mark_accessed": lambda session: session.mark_accessed(),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_writes_is_noticed(write: str) -> None:
    """Each way of changing a dictionary marks the session as modified, and as accessed."""
    session = Session(DATA)
    WRITES[write](session)
    assert session.modified
    assert session.accessed
    assert session.cleared is (write == "clear")


@pytest.mark.parametrize("read", NO_WRITES)
def test_what_only_reads_is_no_change(read: str) -> None:
    """It is accessed, and that is all."""
    session = Session(DATA)
    NO_WRITES[read](session)
    assert not session.modified
    assert session.accessed


def test_taking_out_what_is_not_there_is_no_change() -> None:
    """Nor a read, for Starlette, of a session that no middleware manages (tests/stages/test_commit.py has the others)."""
    session = Session(DATA)
    assert session.pop("x", None) is None
    assert (session.accessed, session.modified) == (False, False)


def test_a_new_one_is_untouched() -> None:
    """Making it is neither a read nor a write."""
    session = Session(DATA)
    assert (session.accessed, session.modified, session.cleared) == (False, False, False)


@pytest.mark.parametrize("write", [lambda session: session.pop("x"), lambda session: session.__delitem__("x")])
def test_a_missing_key_is_a_key_error(write: Callable[[Session], Any]) -> None:
    """As with every dictionary."""
    with pytest.raises(KeyError):
        write(Session(DATA))


def test_popping_from_an_empty_one_changes_nothing() -> None:
    """KeyError, and nothing to save."""
    session = Session()
    with pytest.raises(KeyError):
        session.popitem()
    assert not session.modified


def test_it_is_a_dictionary_for_whoever_takes_one() -> None:
    """json, pydantic, equality, pattern matching, unpacking and copies see a dictionary."""

    class Model(BaseModel):
        values: dict[str, Any]

    session = Session(DATA)
    assert isinstance(session, dict)
    assert isinstance(session, MutableMapping)
    assert json.loads(json.dumps(session)) == DATA
    assert Model(values=session).model_dump() == {"values": DATA}
    assert session == DATA
    assert not session != DATA  # noqa: SIM202  # both operators are ours
    assert {**session} == dict(session) == session.copy() == copy.copy(session) == DATA
    assert type(session.copy()) is dict
    match session:
        case {"a": 1, **rest}:
            assert rest == {"b": [1, {"c": None}]}
        case _:
            pytest.fail("no match")
    with pytest.raises(TypeError):
        hash(session)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["set", "setdefault", "update", "or"]), st.sampled_from("abcd"), st.integers()),
        st.tuples(st.sampled_from(["pop", "delete", "get", "in"]), st.sampled_from("abcd"), st.none()),
        st.tuples(st.sampled_from(["clear", "popitem", "len", "list"]), st.none(), st.none()),
    )
)


def _apply(target: MutableMapping[str, Any], name: str, key: Any, value: Any) -> Any:
    operations: Mapping[str, Callable[[], Any]] = {
        "set": lambda: target.__setitem__(key, value),
        "setdefault": lambda: target.setdefault(key, value),
        "update": lambda: target.update({key: value}),
        "or": lambda: dict.__or__(dict(target), {key: value}),
        "pop": lambda: target.pop(key, None),
        "delete": lambda: target.__delitem__(key),
        "get": lambda: target.get(key),
        "in": lambda: key in target,
        "clear": target.clear,
        "popitem": target.popitem,
        "len": lambda: len(target),
        "list": lambda: list(target.items()),
    }
    try:
        return operations[name]()
    except KeyError:
        return KeyError


@given(OPERATIONS)
def test_it_behaves_as_a_dictionary_does(operations: list[tuple[str, Any, Any]]) -> None:
    """Any sequence of steps gives the same results and ends with the same content, and `modified` is never missed."""
    session, plain = Session(a=1), {"a": 1}
    for operation in operations:
        assert _apply(session, *operation) == _apply(plain, *operation)
    assert dict(session) == plain
    assert session.modified or plain == {"a": 1}


def test_one_made_by_hand_knows_nothing_and_can_do_nothing() -> None:
    """It has no id and no store; its verbs say what to use instead."""
    session = Session(DATA)
    assert session.is_new
    known = (session.user_id, session.handle, session.credential, session.created_at, session.last_seen_at, session.expires_at)
    assert known == (None,) * 6
    with pytest.raises(TypeError, match=r"scope\['session'\]"):
        session.regenerate_id()


async def test_the_verbs_of_one_made_by_hand() -> None:
    """Every verb says the same."""
    session = Session()
    for verb in (session.login("a"), session.logout(), session.save(), session.revoke_others()):
        with pytest.raises(TypeError, match="made by hand"):
            await verb


def test_two_threads_take_the_same_copy() -> None:
    """Both met the lent value; the one who comes second must not put another copy over what the first one changes."""
    session = Snapshot(a_record(data={"key": b"[1]"})).session()
    lent = dict.__getitem__(session, "key")
    first, second = session._take("key", lent), session._take("key", lent)
    first.append(2)
    assert first is second
    assert session["key"] == [1, 2]
