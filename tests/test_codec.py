"""Values as bytes and back."""

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session import SessionValueError, codec
from tests.support.examples import examples

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


def nested(depth: int) -> list[object]:
    """A list that deep."""
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@examples()
@given(JSON)
def test_what_is_written_is_read(value: object) -> None:
    """Any JSON value comes back equal and of the same types."""
    back = codec.decode(codec.encode("k", value))
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [10**4299, -(2**63) - 1, 1e308, 5e-324, -0.0, "\x00\u2028\U0001f511", "", [], {}, nested(200)])
def test_extreme_value_survives(value: object) -> None:
    """The limits of numbers, text and nesting are the same in both directions."""
    assert repr(codec.decode(codec.encode("k", value))) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1, 2},
        datetime(2026, 1, 1, tzinfo=UTC),
        object(),
        float("nan"),
        float("-inf"),
        [float("inf")],
        "\ud800",
        {"\udfff": 1},
        10**5000,
        nested(202),
        nested(5000),
        {("a",): 1},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.security("ST-01")
def test_what_could_not_be_read_is_not_written(value: object) -> None:
    """A value that would not come back is refused when it is saved, by the name of its key."""
    with pytest.raises(SessionValueError, match=r"session\['cart'\]"):
        codec.encode("cart", value)


def test_brackets_in_text_are_no_nesting() -> None:
    """A long text full of brackets is a text."""
    text = "[{" * 5000
    assert codec.decode(codec.encode("k", text)) == text


def test_a_cycle_is_refused() -> None:
    """A list that holds itself is no JSON."""
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(SessionValueError):
        codec.encode("k", cycle)


@pytest.mark.parametrize("key", [1, None, b"k", ("a",)])
def test_a_key_must_be_a_string(key: object) -> None:
    """The message says what to do."""
    with pytest.raises(SessionValueError, match=r"Use str\(key\)"):
        codec.encode(key, 1)


@pytest.mark.security("LG-01")
def test_no_message_shows_a_value() -> None:
    """Neither the refusal of a value nor that of a record tells what was in it."""
    with pytest.raises(SessionValueError) as refused:
        codec.encode("k", {"canary": object()})
    with pytest.raises(SessionValueError) as too_large:
        codec.check_size({"k": b"canary" * 20_000})
    assert "canary" not in str(refused.value) + str(too_large.value)
    assert refused.value.__cause__ is None


def test_a_long_key_is_cut_in_messages() -> None:
    """A key may come from a client."""
    with pytest.raises(SessionValueError) as refused:
        codec.encode("k" * 10_000, object())
    assert len(str(refused.value)) < 300


@pytest.mark.security("ST-12")
@pytest.mark.parametrize("key", ["k", "ключ", "\ud800"])
def test_a_record_has_a_limit(key: str) -> None:
    """64 KiB of keys and values are accepted, one byte more names the largest key."""
    room = codec.MAX_RECORD_BYTES - len(key.encode("utf-8", "surrogatepass")) - len(b"small1")
    codec.check_size({"small": b"1", key: b"x" * room})
    with pytest.raises(SessionValueError, match="65537 bytes, more than 65536") as refused:
        codec.check_size({"small": b"1", key: b"x" * (room + 1)})
    assert repr(key) in str(refused.value)


@pytest.mark.security("ST-01")
def test_a_planted_pickle_is_no_value() -> None:
    """It is not run, and not believed; nothing in the package can read one."""
    with pytest.raises(ValueError, match="expected"):
        codec.decode(pickle.dumps({"user": "admin"}))
    package = Path(codec.__file__).parent
    assert not [
        path for path in package.rglob("*.py") if "import pickle" in path.read_text() or "import marshal" in path.read_text()
    ]


def test_two_reads_share_nothing() -> None:
    """A handler that changes what it got changes nobody else's."""
    raw = codec.encode("k", {"list": [1]})
    codec.decode(raw)["list"].append(2)
    assert codec.decode(raw) == {"list": [1]}


@pytest.mark.parametrize(("value", "expected"), [(1, True), ("a", True), (None, True), ([], False), ({}, False), ((), False)])
def test_only_plain_values_are_immutable(value: object, expected: bool) -> None:
    """Everything else is compared at the end of a request."""
    assert codec.is_immutable(value) is expected


def test_a_subclass_of_a_plain_type_may_be_mutable() -> None:
    """It can carry anything."""
    assert not codec.is_immutable(type("Text", (str,), {})("a"))
