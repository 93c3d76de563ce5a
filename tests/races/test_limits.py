"""Real processes that share a rate limit, and whose handlers block their event loops now and then."""

import pytest

from tests.races.limited import AT_ONCE
from tests.races.together import PROCESSES, answers_of_processes

pytestmark = pytest.mark.alone

SERVICES = [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]


async def granted_to_processes(url: str, namespace: str, limit: str, rounds: int) -> list[float]:
    """The moments at which processes that begin together were granted something, in order."""
    answers = await answers_of_processes("tests.races.limited", url, namespace, limit, str(rounds))
    return sorted(moment for granted in answers for moment in granted)


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
