"""A session's values as bytes: JSON, each key on its own. Strict, so that what is read back equals what was written.

JSON's own forgiveness is refused where it would change a value in silence: tuples and non-string keys inside values come back as
lists and strings, which Starlette's middleware allows too, so these stay allowed; NaN and infinities are no JSON and are refused.
No pickle is ever written or read (security row ST-01).
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from .exceptions import SessionValueError

MAX_RECORD_BYTES = 64 * 1024
"""Keys and encoded values of one session together (security row ST-12)."""

_DEEPEST = 200
"""Lists and dictionaries inside each other, of which the decoder still makes a value."""

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
_IMMUTABLE = frozenset({str, int, float, bool, type(None)})


def encode(key: object, value: Any) -> bytes:
    """``value`` as JSON bytes.

    Raises:
        SessionValueError: the value can't be JSON, is nested more than 200 deep, or the key is no string. The message names the
            key, never the value.
    """
    if not isinstance(key, str):
        raise SessionValueError(f"Session keys must be strings, not {type(key).__name__}. Use str(key).")
    try:
        raw = _encode(value).encode("utf-8")
        if raw.count(b"[") + raw.count(b"{") > _DEEPEST:
            from_json(raw)  # it reads less deeply nested values than JSON's encoder writes
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(value).__name__ if isinstance(error, TypeError) else type(error).__name__
        raise SessionValueError(
            f"session[{key[:64]!r}] can't be stored as JSON ({reason}). "
            "Store plain values (str, int, float, bool, None, list, dict) and convert others yourself."
        ) from None
    return raw


def decode(raw: bytes) -> Any:
    """The value in ``raw``. A new object each time: nothing is shared between two requests."""
    return from_json(raw)


def is_immutable(value: Any) -> bool:
    """Whether a handler can't change ``value`` in place, so that assignments alone tell whether it changed."""
    return type(value) in _IMMUTABLE


def check_size(data: Mapping[str, bytes]) -> None:
    """Refuse a record past its limit.

    Raises:
        SessionValueError: names the largest key.
    """
    size = sum(len(key.encode("utf-8", "surrogatepass")) + len(value) for key, value in data.items())
    if size > MAX_RECORD_BYTES:
        raise too_large(size, max(data, key=lambda key: len(data[key])))


def too_large(size: int, largest: str) -> SessionValueError:
    """The error for a record that would hold ``size`` bytes."""
    return SessionValueError(
        f"The session would hold {size} bytes, more than {MAX_RECORD_BYTES}; its largest key is {largest[:64]!r}. "
        "Keep large data in your own database and its id in the session."
    )
