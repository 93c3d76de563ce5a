"""Real processes in which one user logs in at the same moment."""

import pytest

from asgi_session import SessionManager
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.races.together import PROCESSES, answers_of_processes
from tests.support.site import SECRET

pytestmark = pytest.mark.alone

TIMES = 25
SERVICES = [pytest.param("redis_url", marks=pytest.mark.redis), pytest.param("cluster_url", marks=pytest.mark.cluster)]


async def logins(url: str, namespace: str, limit: int, when_full: str) -> list[str | None]:
    """The credentials that processes which begin together were given; None for each refusal."""
    answers = await answers_of_processes("tests.races.logins", url, namespace, str(limit), when_full, str(TIMES))
    return [credential for made in answers for credential in made]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("when_full", "succeed"), [("evict_oldest", PROCESSES * TIMES), ("refuse", 3)])
@pytest.mark.security("LC-11")
async def test_the_cap_holds_over_processes(
    request: pytest.FixtureRequest, service: str, namespace: str, when_full: str, succeed: int
) -> None:
    """A hundred logins at once under a cap of three leave three live sessions, and no session that lives without being listed."""
    url = request.getfixturevalue(service)
    made = [credential for credential in await logins(url, namespace, 3, when_full) if credential is not None]
    assert len(made) == succeed
    async with SessionManager(SECRET, store=RedisStore(RedisClient(url), namespace=namespace)) as manager:
        live = [session for credential in made if (session := await manager.get(credential)) is not None]
        listed = await manager.list_for_user("ann")
    assert len(live) == 3
    assert {session.handle for session in listed} == {session.handle for session in live}
