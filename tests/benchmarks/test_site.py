"""What sessions hold."""

import pytest

from asgi_session import codec
from benchmarks.contenders.site import DATA, Site


def test_data_as_it_comes() -> None:
    """A copy, so that no application changes another one's."""
    assert Site().data == DATA
    assert Site().data is not DATA


@pytest.mark.parametrize("size", [100, 300, 1_000, 4_000, 16_000, codec.MAX_RECORD_BYTES])
def test_data_of_a_size(size: int) -> None:
    """To the byte, as the package counts a record against its limit."""
    encoded = {key: codec.encode(key, value) for key, value in Site(size=size).data.items()}
    assert sum(len(key) + len(value) for key, value in encoded.items()) == size
    codec.check_size(encoded)
