"""JSON in which two readers can't see two things."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.tokens.strict_json import MAX_NESTING, read_object
from tests.support.examples import examples


@pytest.mark.security("JW-08")
@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":{"b":1,"c":2,"b":3}}', '{"x":[{"b":1,"b":1}]}'])
def test_duplicate_members_are_refused_at_any_depth(text: str) -> None:
    """The same name twice, however spelt, is not an object."""
    assert read_object(text.encode()) is None


@pytest.mark.security("JW-09")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"7",
        b"{",
        b'{"a":1}x',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
        b'{"a":"\\ud800"}',
        b'{"a":"\\uDFFF\\uD800"}',
        b'{"\\udead":1}',
        b'{"a":"\x01"}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_a_plain_json_object_is_refused(data: bytes) -> None:
    """Other values, other encodings, numbers that are none, half surrogate pairs."""
    assert read_object(data) is None


@pytest.mark.security("JW-09")
@pytest.mark.parametrize("opened", ['{"a":', '{"a":[', "[[[["])
def test_twenty_thousand_levels_are_refused_without_an_error_of_the_stack(opened: str) -> None:
    """Depth costs a refusal, never a RecursionError."""
    assert read_object(b'{"x":' + opened.encode() * 20_000) is None
    assert read_object(b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}") is None


@pytest.mark.security("JW-09")
@pytest.mark.parametrize(("levels", "accepted"), [(MAX_NESTING, True), (MAX_NESTING + 1, False)])
def test_nesting_ends_at_32(levels: int, accepted: bool) -> None:
    """The object itself is the first level."""
    lists = b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
    objects = b'{"x":' * (levels - 1) + b"{}" + b"}" * (levels - 1)
    assert (read_object(lists) is not None) is accepted
    assert (read_object(objects) is not None) is accepted


def test_many_brackets_beside_each_other_are_not_depth() -> None:
    """Breadth is bounded by the token's size alone."""
    value = {"x": [[] for _ in range(100)], "y": "[" * 100}
    assert read_object(json.dumps(value).encode()) == {"x": tuple(() for _ in range(100)), "y": "[" * 100}


def test_a_whole_surrogate_pair_is_one_character() -> None:
    """What JSON spells as two escapes is a character like any other."""
    assert read_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@examples()
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=12,
        ),
    )
)
def test_every_json_object_reads_as_python_reads_it(value: dict[str, object]) -> None:
    """Strictness changes nothing about what is well-formed."""
    assert json.loads(json.dumps(read_object(json.dumps(value).encode()))) == value
