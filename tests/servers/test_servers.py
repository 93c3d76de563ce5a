"""How four server programs start and end with the middleware; what happens in between is in ``test_frameworks.py``."""

from collections.abc import Callable

import httpx
import pytest

from tests.servers.programs import PROGRAMS, AsgiServer
from tests.services.process import ServiceError

pytestmark = pytest.mark.server

Visit = Callable[[AsgiServer], httpx.Client]
APP = "tests.servers.apps.starlette:app"
WITH_LIFESPAN = [name for name, program in PROGRAMS.items() if program.sends_lifespan]


@pytest.mark.security("AV-10")
@pytest.mark.parametrize("program", WITH_LIFESPAN)
def test_server_ends_and_leaves_no_connection(program: str, visitor: Visit, redis_url: str) -> None:
    """With the sessions in Redis, its connections and their tasks are closed before the server hears of the end."""
    server = AsgiServer(APP, program, env={"STORE": redis_url}).start()
    try:
        assert visitor(server).post("/count").json() == {"count": 1}
        server.end_in_order()

        assert "stopped, tasks left: []" in server.process.log
        assert "Traceback" not in server.process.log
    finally:
        server.stop()


@pytest.mark.security("AV-09")
@pytest.mark.parametrize("program", WITH_LIFESPAN)
def test_mistakes_keep_the_server_from_starting(program: str) -> None:
    """A server that knows the lifespan refuses to start and shows every mistake at once."""
    server = AsgiServer(APP, program, env={"MISTAKEN": "yes"})
    try:
        with pytest.raises(ServiceError, match="ended at its start"):
            server.start()

        assert "secret_key: is empty." in server.process.log
        assert "https_only: browsers refuse same_site='none' without Secure." in server.process.log
    finally:
        server.stop()


def test_mistakes_fail_every_request_without_lifespan(visitor: Visit) -> None:
    """Daphne sends no lifespan: it starts, but no request gets past the mistakes."""
    server = AsgiServer(APP, "daphne", env={"MISTAKEN": "yes"}).start()
    try:
        assert visitor(server).post("/count").status_code == 500
        assert "secret_key: is empty." in server.process.log
    finally:
        server.stop()
