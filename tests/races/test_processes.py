"""Real processes on one session."""

import asyncio
import sys

import pytest

from asgi_session import SessionManager
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.support.site import SECRET

pytestmark = pytest.mark.alone

PROCESSES = 4
TIMES = 100


@pytest.mark.parametrize(
    "service", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("cluster", marks=pytest.mark.cluster)]
)
@pytest.mark.security("LC-13")
async def test_no_update_of_four_processes_is_lost(request: pytest.FixtureRequest, service: str, namespace: str) -> None:
    """Each counts in a key of its own and, asking to be told of conflicts, in one that all share: nothing is missing."""
    url = request.getfixturevalue(f"{service}_url")
    async with SessionManager(SECRET, store=RedisStore(RedisClient(url), namespace=namespace)) as manager:
        session = await manager.create("ann")
        arguments = ["-m", "tests.races.hammer", url, namespace, str(session.credential)]
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, *arguments, f"process {number}", str(TIMES))
            for number in range(PROCESSES)
        ]
        assert [await process.wait() for process in processes] == [0] * PROCESSES
        after = await manager.get(session.handle)
    assert after is not None
    assert after.data == {"shared": PROCESSES * TIMES, **{f"process {number}": TIMES for number in range(PROCESSES)}}
    assert after.version == 1 + 2 * PROCESSES * TIMES
