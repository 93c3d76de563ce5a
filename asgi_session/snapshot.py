"""A record, ready to become the session of a request: decoded once, as far as nobody can change what was decoded.

Immutable values are decoded when the snapshot is made and shared by all requests that use it. Lists and dictionaries stay bytes
until a request asks for its own copy, so that no handler ever sees what another one did to them (design rule 4).
"""

from typing import Any

from . import codec
from .baseline import Baseline
from .record import Record
from .session import Session


class Snapshot:
    """What an L1 entry holds of a session. Never changes after it was made."""

    __slots__ = ("_nested", "_plain", "baseline", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._plain: dict[str, Any] = {}
        nested: list[tuple[str, bytes]] = []
        for key, raw in record.data.items():
            if raw[:1] in b"[{":
                nested.append((key, raw))
            else:
                self._plain[key] = codec.decode(raw)
        self._nested = tuple(nested)
        self.baseline = Baseline(record.data, tuple(key for key, _ in nested))

    def session(self) -> Session:
        """A session of its own for one request."""
        session = Session(self._plain)
        for key, raw in self._nested:
            dict.__setitem__(session, key, codec.decode(raw))
        return session
