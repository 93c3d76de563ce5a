"""What an argument has to be. A wrong one is reported, and its default takes its place.

So nothing raises where an application is put together, and all its mistakes are told at once when it starts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from .exceptions import Problem

T = TypeVar("T")
Kinds = type | tuple[type, ...]


class Arguments:
    """Looks at one argument after the other and keeps a problem for each wrong one.

    A problem names what an argument is and never shows its value: a secret may stand in the wrong place.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def one(self, field: str, value: T, kinds: Kinds, *, default: T, fix: str) -> T:
        """``value``, if it is one of ``kinds``; else ``default``, with ``fix`` as what to do."""
        if _is_a(value, kinds):
            return value
        self.problems.append(Problem(field, f"is {_kind_of(value)}.", fix))
        return default

    def several(self, field: str, value: object, kinds: Kinds, *, fix: str) -> Mapping[str, Any]:
        """The members of a list that are one of ``kinds``, each by its name: ``"field[0]"``.

        A lone one is meant as a list of one (its name is ``field``), None as an empty list.
        """
        if value is None:
            return {}
        if _is_a(value, kinds):
            return {field: value}
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            self.problems.append(Problem(field, f"is {_kind_of(value)}.", fix))
            return {}
        named = {f"{field}[{at}]": member for at, member in enumerate(value)}
        for name, member in named.items():
            self.one(name, member, kinds, default=member, fix=fix)
        return {name: member for name, member in named.items() if _is_a(member, kinds)}


def texts(value: object) -> tuple[Any, ...]:
    """The members of a list of texts; a lone one is meant as one, not as its letters. What is no list at all is its only member."""
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)


def is_number(value: object, low: float, high: float) -> bool:
    """Whether ``value`` is a number from ``low`` to ``high``; NaN is none, nor is True."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def shown(value: object) -> str:
    """A value for a message: a whole one, or the beginning of a long one."""
    return repr(value[:80] if isinstance(value, str) else value)[:120]


def within(owner: str, problems: Iterable[Problem]) -> list[Problem]:
    """The problems of what stands in the argument ``owner``, as its user has to look for them: ``"bearer[0].audience"``."""
    return [replace(problem, field=f"{owner}.{problem.field}") for problem in problems]


def _is_a(value: object, kinds: Kinds) -> bool:
    """A class is not one of its objects (although it has all that a protocol asks for), and no number is meant by True."""
    if isinstance(value, type) or not isinstance(value, kinds):
        return False
    return not isinstance(value, bool) or bool in (kinds if isinstance(kinds, tuple) else (kinds,))


def _kind_of(value: object) -> str:
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
