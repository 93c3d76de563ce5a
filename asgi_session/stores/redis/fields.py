"""A record as the fields of a Redis hash, and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

from ...codec import MAX_RECORD_BYTES, too_large
from ...fingerprint import FINGERPRINT
from ...ids import StoreKey
from ...record import NO_METADATA, Changes, Draft, Record

_VALUE = b"d:"


def milliseconds(seconds: float) -> int:
    """Redis counts in whole milliseconds; rounded up, so that a lifetime above zero never becomes "at once"."""
    return -int(-seconds * 1000 // 1)


def record_of(key: StoreKey, flat: Sequence[bytes], now: bytes, last_seen: bytes | None = None) -> Record:
    """The record in a flat list of fields and values, read at ``now`` (ms).

    ``last_seen`` (ms): when the session was touched, in the same step but after the fields were read.
    """
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    user = fields.get(b"u")
    metadata, fingerprint = fields.get(b"m"), fields.get(b"f")
    return Record(
        key=key,
        user_id=user.decode("utf-8", "surrogatepass") if user is not None else None,
        created_at=int(fields[b"c"]) / 1000,
        last_seen_at=int(last_seen or fields[b"l"]) / 1000,
        idle_timeout=int(fields[b"i"]) / 1000,
        expires_at=int(fields[b"x"]) / 1000,
        version=int(fields[b"g"]),
        issued=int(fields[b"n"]),
        read_at=int(now) / 1000,
        authenticated_at=int(fields[b"a"]) / 1000 if b"a" in fields else None,
        revoked_at=int(fields[b"r"]) / 1000 if b"r" in fields else None,
        metadata=_metadata(metadata, fingerprint) if metadata or fingerprint else NO_METADATA,
        data=MappingProxyType({_name(field): value for field, value in fields.items() if field[:2] == _VALUE}),
        slid_from=int(fields[b"l"]) / 1000 if last_seen is not None else None,
    )


def _metadata(raw: bytes | None, fingerprint: bytes | None) -> Mapping[str, str]:
    try:
        found = from_json(raw or b"{}")
    except ValueError:  # half of a surrogate pair, which Python's own decoder reads, as it writes it
        found = json.loads(raw or b"{}")
    found.pop(FINGERPRINT, None)  # planted before it was ours
    if fingerprint is not None:
        found[FINGERPRINT] = fingerprint.decode("utf-8", "replace")
    return MappingProxyType(found)


def record_after(key: StoreKey, reply: Sequence[Any]) -> Record:
    """The record in the reply of a script that was asked for changes.

    Raises:
        SessionValueError: it would have grown past its limit; nothing was changed.
    """
    if isinstance(reply[0], int):
        size, largest = reply
        raise too_large(size, _name(largest))
    return record_of(key, *reply)


def value_arguments(data: Mapping[str, bytes]) -> Iterable[Any]:
    """Field and value of each of the handler's keys."""
    for name, value in data.items():
        yield _VALUE + name.encode("utf-8", "surrogatepass")
        yield value


def metadata_argument(metadata: Mapping[str, str]) -> str:
    """What is known about where a session was made, but its fingerprint."""
    return json.dumps({name: value for name, value in metadata.items() if name != FINGERPRINT}, separators=(",", ":"))


def fingerprint_arguments(metadata: Mapping[str, str]) -> Iterable[str]:
    """Field and value of the fingerprint. Together with the rest it would be longer than what Redis keeps compactly (64 bytes)."""
    if FINGERPRINT in metadata:
        yield from ("f", metadata[FINGERPRINT])


def draft_arguments(draft: Draft, tag: str) -> list[Any]:
    """``draft`` as ``lua/create.lua`` reads it."""
    user, cap = draft.user_id, draft.kept_cap
    return [
        user.encode("utf-8", "surrogatepass") if user is not None else "",
        tag,
        milliseconds(draft.idle_timeout),
        milliseconds(draft.absolute_timeout),
        metadata_argument(draft.metadata) if draft.metadata else "",
        "" if cap is None else cap.limit,
        int(cap is not None and cap.when_full == "refuse"),
        *fingerprint_arguments(draft.metadata),
        *value_arguments(draft.data),
    ]


def change_arguments(changes: Changes) -> list[Any]:
    """``changes`` as ``lua/session.lua`` reads them."""
    fingerprint = list(fingerprint_arguments(changes.login or NO_METADATA))
    return [
        int(changes.clear),
        "" if changes.idle_timeout is None else milliseconds(changes.idle_timeout),
        "" if changes.lifetime is None else milliseconds(changes.lifetime),
        "" if changes.login is None else metadata_argument(changes.login),
        MAX_RECORD_BYTES,
        len(changes.set) + len(fingerprint) // 2,
        *fingerprint,
        *value_arguments(changes.set),
        *(["f"] if changes.login is not None and not fingerprint else []),
        *(_VALUE + name.encode("utf-8", "surrogatepass") for name in changes.remove),
    ]


@lru_cache(256)
def _name(field: bytes) -> str:
    """The handler's key; the sessions of an application share most of them."""
    return field[len(_VALUE) :].decode("utf-8", "surrogatepass")
