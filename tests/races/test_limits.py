"""Real processes that share a rate limit, and whose handlers block their event loops now and then."""

import asyncio
import json
import sys

import pytest

from tests.races.limited import AT_ONCE

pytestmark = pytest.mark.alone

PROCESSES = 4
SERVICES = [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]


async def granted_to_processes(url: str, namespace: str, limit: str, rounds: int) -> list[float]:
    """The moments at which processes that begin together were granted something, in order."""
    arguments = ["-m", "tests.races.limited", url, namespace, limit, str(rounds)]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    processes = [await asyncio.create_subprocess_exec(sys.executable, *arguments, **pipes) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return sorted(moment for answer, _ in answers for moment in json.loads(answer))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.security("RL-06")
async def test_rl06_busy_processes_together(request: pytest.FixtureRequest, service: str, namespace: str) -> None:
    """The whole limit and no request more, though each of them finds its loop blocked while it asks."""
    rounds = 12
    granted = await granted_to_processes(request.getfixturevalue(service), namespace, "60/hour", rounds)
    assert PROCESSES * rounds * AT_ONCE > 3 * 60
    assert len(granted) == 60


@pytest.mark.redis
@pytest.mark.security("RL-06")
async def test_rl06_busy_processes_in_several_windows(redis_url: str, namespace: str) -> None:
    """Never more than the limit in each window of the grid that the first request began."""
    granted = await granted_to_processes(redis_url, namespace, "20/second", 30)
    windows = int(granted[-1] - granted[0]) + 2
    assert windows > 2
    assert len(granted) <= 20 * windows
