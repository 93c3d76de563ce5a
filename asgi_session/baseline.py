"""What was loaded, and how a session differs from it now. Decided by comparing values, so that changes deep inside count too."""

from collections.abc import Mapping, Sequence

from . import codec
from .exceptions import SessionValueError
from .frozen import LENT
from .record import EMPTY, Changes
from .session import Session


class Baseline:
    """The encoded values that a session started from. Never changes, so requests may share it."""

    __slots__ = ("_data", "_mutable")

    def __init__(self, data: Mapping[str, bytes], mutable: Sequence[str]) -> None:
        self._data = data
        self._mutable = mutable

    @classmethod
    def of(cls, session: Session, data: Mapping[str, bytes]) -> "Baseline":
        """What ``session`` was when it was encoded to ``data``; it may have changed since."""
        return cls(data, [key for key, value in dict.items(session) if key in data and not codec.is_immutable(value)])

    def __bool__(self) -> bool:
        return bool(self._data)

    def differs_inside(self, session: Session) -> bool:
        """Whether a value was changed in place, which no assignment tells."""
        for key in self._mutable:
            value = dict.get(session, key)
            if type(value) in LENT:  # nobody asked for it
                continue
            try:
                if codec.encode(key, value) != self._data[key]:
                    return True
            except SessionValueError:  # the commit says so
                return True
        return False

    def changes_to(self, data: Mapping[str, bytes], *, cleared: bool, if_version: int | None) -> Changes:
        """The keys that have to change to get from here to ``data``; from nothing, where the session was ``cleared`` on the way."""
        known = EMPTY if cleared else self._data
        return Changes(
            set={key: value for key, value in data.items() if known.get(key) != value},
            remove=frozenset(key for key in known if key not in data),
            clear=cleared,
            if_version=if_version,
        )


NOTHING = Baseline(EMPTY, ())
