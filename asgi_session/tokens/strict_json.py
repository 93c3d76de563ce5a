"""JSON as a token has to spell it, read into values that nobody can change.

Python's reader keeps the last of two equal members, reads ``NaN`` and ``1e999``, and nests until the stack ends; two readers
of one token could then disagree about what it says. Here all of that is an error (RFC 7515 §4, RFC 7519 §4; security rows
JW-08, JW-09).
"""

import json
import math
import re
from typing import Any, NoReturn

MAX_NESTING = 32
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class ReadOnlyDict(dict[str, Any]):
    """A dict that json, orjson and pydantic take for one, and that refuses to be changed."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("The claims of a verified token can't be changed; dict(claims) gives a copy that can.")

    def __reduce__(self) -> tuple[type["ReadOnlyDict"], tuple[dict[str, Any]]]:
        return ReadOnlyDict, (dict(self),)


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(ReadOnlyDict, _name, ReadOnlyDict._refuse)


def read_object(data: bytes) -> ReadOnlyDict | None:
    """The JSON object in ``data`` (UTF-8), unchangeable to the bottom; None where it is anything else. Never raises."""
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
        if type(value) is not ReadOnlyDict or _too_deep(text, value):
            return None
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair could not be logged or stored
    except (ValueError, RecursionError):
        return None
    return value


def _object(pairs: list[tuple[str, Any]]) -> ReadOnlyDict:
    members = ReadOnlyDict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    for name, value in pairs:
        if type(value) is list:
            dict.__setitem__(members, name, _frozen(value))
    return members


def _frozen(values: list[Any]) -> tuple[Any, ...]:
    return tuple([_frozen(value) if type(value) is list else value for value in values])


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant)


def _too_deep(text: str, value: ReadOnlyDict) -> bool:
    if text.count("{") + text.count("[") <= MAX_NESTING:
        return False  # the usual case, decided without a walk
    level: list[Any] = [value]
    for _ in range(MAX_NESTING):
        level = [child for parent in level for child in _values(parent) if isinstance(child, (dict, tuple))]
        if not level:
            return False
    return True


def _values(parent: Any) -> Any:
    return parent.values() if isinstance(parent, dict) else parent
