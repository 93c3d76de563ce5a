"""What every test may ask for."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The package is asyncio's (its Redis client is), so its tests run there."""
    return "asyncio"
