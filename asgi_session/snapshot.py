"""A record, ready to become the session of a request: decoded once, as far as nobody can change what was decoded.

Immutable values are decoded when the snapshot is made and shared by all requests that use it. Lists and dictionaries stay bytes
until a request asks for its own copy, so that no handler ever sees what another one did to them (design rule 4).
"""

from sys import getsizeof
from typing import Any

from . import codec
from .baseline import Baseline
from .record import Record
from .session import Session

_SCALAR = b'"-0123456789tfn'
"""How JSON begins that means an unchangeable value; whatever begins otherwise is never shared."""
_PER_VALUE = 96
"""Bytes that each value takes beside itself, its key and its stored form: measured (``tests/cache/test_sessions.py``)."""


class Snapshot:
    """What an L1 entry holds of a session. Never changes after it was made."""

    __slots__ = ("_nested", "_plain", "baseline", "record", "size")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.size = 0
        """Bytes that its values take; a string may take five times as much as its stored form."""
        self._plain: dict[str, Any] = {}
        nested: list[tuple[str, bytes]] = []
        for key, raw in record.data.items():
            if raw[:1] in _SCALAR:
                self._plain[key] = codec.decode(raw)
            else:
                nested.append((key, raw))
            self.size += _PER_VALUE + getsizeof(key) + getsizeof(raw) + getsizeof(self._plain.get(key))
        self._nested = tuple(nested)
        self.baseline = Baseline(record.data, tuple(key for key, _ in nested))

    def session(self) -> Session:
        """A session of its own for one request."""
        session = Session(self._plain)
        for key, raw in self._nested:
            dict.__setitem__(session, key, codec.decode(raw))
        return session
