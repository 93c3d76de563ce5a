"""A record, ready to become the session of a request: decoded once, for all requests that use it.

Immutable values are shared as they are. Lists and dictionaries are shared frozen (``frozen.py``): a request gets a copy of its own
of each of them that it asks for, so that no handler ever sees what another one did to them (design rule 4). Those that it does not
ask for cost it nothing: neither a copy nor, at its end, a comparison with what was loaded.
"""

from sys import getsizeof
from typing import Any

from . import codec
from .baseline import Baseline
from .frozen import lend, most_memory
from .record import Record
from .session import Session

_SCALAR = b'"-0123456789tfn'
"""How JSON begins that means an unchangeable value; whatever begins otherwise is frozen before it is shared."""
_PER_VALUE = 144
"""Bytes that each value takes beside itself, its key and its stored form: measured (``tests/cache/test_sessions.py``)."""


class Snapshot:
    """What an L1 entry holds of a session. What it gives out never changes."""

    __slots__ = ("_nested", "_values", "baseline", "record", "size")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.size = 0
        """Bytes that its values take; a string may take five times as much as its stored form."""
        self._values: dict[str, Any] = {}
        nested: list[str] = []
        for key, raw in record.data.items():
            self.size += _PER_VALUE + getsizeof(key) + len(raw)
            if raw[:1] in _SCALAR:
                self._values[key] = value = codec.decode(raw)
                self.size += getsizeof(value)
            else:
                nested.append(key)
                self.size += most_memory(raw)
        self._nested = tuple(nested)
        """Keys whose values are still to be decoded: whoever only loads a session need not pay for that."""
        self.baseline = Baseline(record.data, self._nested)

    def session(self) -> Session:
        """A session of its own for one request."""
        if self._nested:
            for key in self._nested:
                self._values[key] = lend(self.record.data[key])
            self._nested = ()
        return Session(self._values)
