"""Two workers over one store, on every kind of it."""

from collections.abc import AsyncIterator

import pytest

from tests.races.workers import COLD, Workers, workers_named


@pytest.fixture(params=[0, 1], ids=["one worker", "two workers"])
def second(request: pytest.FixtureRequest) -> int:
    """Which worker serves the second request of a race."""
    number: int = request.param
    return number


@pytest.fixture(params=COLD)
async def workers(request: pytest.FixtureRequest, namespace: str, second: int) -> AsyncIterator[Workers]:
    """Two workers, as two processes have them: each with a store object, a cache and connections of its own."""
    async with workers_named(request, namespace, second) as workers:
        yield workers
