"""What every test may ask for; the real services come from `tests.services.fixtures`."""

import pytest

pytest_plugins = ["tests.services.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The package is asyncio's (its Redis client is), so its tests run there."""
    return "asyncio"
