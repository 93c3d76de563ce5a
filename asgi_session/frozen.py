"""Values that many requests are lent at once: real lists and dictionaries, which refuse to be changed.

The lists and dictionaries of a cached session are the same objects for all requests. ``Session`` gives a request a copy of its own
as soon as it asks for one of them, so handlers never meet these classes. Who reads a dictionary's memory without asking it (orjson,
msgspec and pydantic do) finds the right values; who tries to change one of them that way is refused, where another request would
otherwise see the change (design rule 4). Code in C that writes into a list's memory (``heapq``) can't be refused: what it does to a
list that it got in this way is never saved, but others of the process would read it in the same way.
"""

from threading import Lock
from typing import Any, NoReturn

from . import codec


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    raise TypeError("This value is shared with other requests. Take it out of the session, session[key], to get one to change.")


class FrozenDict(dict[str, Any]):
    """A dictionary that stays as it is."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Copies can be changed, to the bottom where they are deep."""
        del protocol
        return dict, (dict(self),)


class FrozenList(list[Any]):
    """A list that stays as it is."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """As of a dictionary."""
        del protocol
        return list, (list(self),)


class LentDict(FrozenDict):
    """One that is a session's value, and knows how it is stored."""

    __slots__ = ("raw",)

    raw: bytes


class LentList(FrozenList):
    """As a dictionary."""

    __slots__ = ("raw",)

    raw: bytes


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(FrozenDict, _name, _refuse)
for _name in ("__setitem__", "__delitem__", "__iadd__", "__imul__"):
    setattr(FrozenList, _name, _refuse)
for _name in ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"):
    setattr(FrozenList, _name, _refuse)

LENT = frozenset({LentDict, LentList})
"""The types by which ``Session`` knows what it may not give out."""

_TAKING = Lock()
_CONTAINERS = frozenset({dict, list})
_PER_DICT, _PER_LIST, _PER_ELEMENT = 248, 88, 120
"""Bytes, measured (``tests/test_frozen.py``)."""


def lend(raw: bytes) -> Any:
    """The value in ``raw``; lists and dictionaries are frozen to the bottom."""
    value = codec.decode(raw)
    if type(value) not in _CONTAINERS:
        return value
    lent: LentDict | LentList = LentDict(_members(value)) if type(value) is dict else LentList(_elements(value))
    lent.raw = raw
    return lent


def most_memory(raw: bytes) -> int:
    """Bytes that ``lend(raw)`` takes at most; of what sessions usually hold, about twice as many as it takes."""
    width = 1 if raw.isascii() and b"\\u" not in raw else 4  # one wide character makes a whole string wide
    return width * len(raw) + _PER_DICT * raw.count(b"{") + _PER_LIST * raw.count(b"[") + _PER_ELEMENT * (1 + raw.count(b","))


def own(lent: LentDict | LentList) -> Any:
    """A copy that belongs to whoever asks, and that can be changed to the bottom."""
    return codec.decode(lent.raw)


def take(values: dict[str, Any], key: str, lent: Any) -> Any:
    """``own``, in the place of ``lent`` among the values; the same copy for all threads of a request that ask at once."""
    with _TAKING:
        value = dict.get(values, key, lent)
        if type(value) in LENT:
            value = own(value)
            dict.__setitem__(values, key, value)
    return value


def _frozen(value: Any) -> Any:
    return FrozenDict(_members(value)) if type(value) is dict else FrozenList(_elements(value))


def _members(value: dict[str, Any]) -> dict[str, Any]:
    if _CONTAINERS.isdisjoint(map(type, value.values())):
        return value  # the usual case: most values are shallow
    return {key: _frozen(inner) if type(inner) in _CONTAINERS else inner for key, inner in value.items()}


def _elements(value: list[Any]) -> list[Any]:
    if _CONTAINERS.isdisjoint(map(type, value)):
        return value
    return [_frozen(inner) if type(inner) in _CONTAINERS else inner for inner in value]
