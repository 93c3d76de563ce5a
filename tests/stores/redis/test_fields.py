"""A record as the fields of a hash."""

import pytest

from asgi_session.ids import StoreKey
from asgi_session.stores.redis.fields import fingerprint_arguments, metadata_argument, milliseconds, record_of


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.0, 1000), (0.0001, 1), (0.0, 0), (-0.0001, 0), (-1.0, -1000), (1.0001, 1001), (1e9, 10**12)]
)
def test_a_time_above_zero_never_becomes_zero(seconds: float, expected: int) -> None:
    """Redis counts in milliseconds; what is less lives for one, and zero or less stays over at once."""
    assert milliseconds(seconds) == expected


@pytest.mark.parametrize("text", ["", "Firefox", "Zo\u00eb", "\U0001f511", "\ud83d", '"\\'])
def test_metadata_comes_back_as_it_was(text: str) -> None:
    """Also half of a surrogate pair, which a manager's caller may pass on and no strict decoder of JSON reads."""
    times = [item for field in b"clixgn" for item in (bytes([field]), b"1")]
    record = record_of(StoreKey("000", "digest"), [*times, b"m", metadata_argument({"name": text}).encode()], b"1")
    assert record.metadata == {"name": text}


def test_the_fingerprint_has_a_field_of_its_own() -> None:
    """Beside the rest it would be longer than what Redis keeps compactly; it is read also where there is nothing else."""
    metadata = {"fingerprint": "x" * 62, "network": "192.0.2.0/24"}
    assert "x" not in metadata_argument(metadata)
    assert list(fingerprint_arguments(metadata)) == ["f", "x" * 62]
    assert not list(fingerprint_arguments({"network": "192.0.2.0/24"}))
    times = [item for field in b"clixgn" for item in (bytes([field]), b"1")]
    key = StoreKey("000", "digest")
    assert record_of(key, [*times, b"f", b"x"], b"1").metadata == {"fingerprint": "x"}
    both = record_of(key, [*times, b"m", metadata_argument(metadata).encode(), b"f", b"x" * 62], b"1")
    assert both.metadata == metadata


def test_a_fingerprint_among_the_metadata_is_none() -> None:
    """A manager's caller may have used the name before it was ours."""
    times = [item for field in b"clixgn" for item in (bytes([field]), b"1")]
    record = record_of(StoreKey("000", "digest"), [*times, b"m", b'{"fingerprint":5,"a":"b"}'], b"1")
    assert record.metadata == {"a": "b"}
