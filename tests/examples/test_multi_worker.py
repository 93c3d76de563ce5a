"""Two worker processes behind one Redis."""

import secrets

import httpx
import pytest

from tests.examples.conftest import Start
from tests.servers.programs import AsgiServer

pytestmark = pytest.mark.server


def ask(server: AsgiServer, path: str, cookies: httpx.Cookies | None = None) -> httpx.Response:
    """One request on a connection of its own, so that any worker may get it."""
    with httpx.Client(base_url=server.url, cookies=cookies, trust_env=False, timeout=10) as client:
        answer = client.get(path)
        if cookies is not None:
            cookies.update(client.cookies)
        return answer


def test_workers_share_sessions_and_limits(start: Start, redis_url: str) -> None:
    """One visitor's count goes on whichever worker answers, and both workers together admit what the limit allows."""
    server = start("multi_worker", SECRET_KEY=secrets.token_urlsafe(32), REDIS_URL=redis_url)
    jar = httpx.Cookies()

    visits: list[dict[str, int]] = []
    while len({visit["worker"] for visit in visits}) < 2 and len(visits) < 500:
        visits.append(ask(server, "/visits", jar).json())
    answers = [ask(server, "/limited") for _ in range(30)]

    assert [visit["visits"] for visit in visits] == list(range(1, len(visits) + 1))
    assert len({visit["worker"] for visit in visits}) == 2
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 429}
    assert 18 <= statuses.count(200) <= 20  # a worker may hold a permit that nobody asks it for
