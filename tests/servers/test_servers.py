"""The same application under four server programs: real processes, real sockets, start and stop included."""

import os
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.servers.programs import PROGRAMS, AsgiServer
from tests.servers.sockets import cookie_header, open_socket, refusal_of
from tests.services.process import ServiceError, wait_until

pytestmark = pytest.mark.server

Visit = Callable[[AsgiServer], httpx.Client]
APP = "tests.servers.apps.starlette:app"
WITH_LIFESPAN = [name for name, program in PROGRAMS.items() if program.sends_lifespan]


@pytest.fixture(scope="module", params=PROGRAMS)
def server(request: pytest.FixtureRequest) -> Iterator[AsgiServer]:
    """The application under one of the servers."""
    running = AsgiServer(APP, request.param).start()
    yield running
    running.stop()


def test_cookie_makes_its_round_trip(server: AsgiServer, visitor: Visit) -> None:
    """A visitor is known again by the cookie, until it logs out."""
    client = visitor(server)

    counts = [client.post("/count").json()["count"] for _ in range(2)]
    client.post("/login/ada")
    logged_in = client.get("/session").json()["user"]
    client.post("/logout")

    assert (counts, logged_in, dict(client.cookies)) == ([1, 2], "ada", {})


def test_change_made_while_streaming_is_saved(server: AsgiServer, visitor: Visit) -> None:
    """However a server hands chunks on, a change after the first one is saved."""
    client = visitor(server)
    client.post("/count")

    assert client.get("/stream").text == "first last"

    assert client.get("/session").json()["data"] == {"count": 1, "streamed": True}


def test_change_made_by_a_socket_is_saved(server: AsgiServer, visitor: Visit) -> None:
    """What a socket changes before its handshake and during its life is in the session, also where no cookie can leave."""
    client = visitor(server)
    client.post("/count")

    with open_socket(server, cookie_header(client)) as socket:
        socket.send("once more")
        assert socket.recv(timeout=10) == "3"

    # the server may still be telling the application about the close
    wait_until(lambda: client.get("/session").json()["data"] == {"count": 3}, "the socket's count is saved", seconds=5)


def test_handshake_brings_the_cookie_where_the_server_can(server: AsgiServer, visitor: Visit) -> None:
    """A session that begins in a socket leaves its cookie on the acceptance; granian and daphne drop that header."""
    with open_socket(server) as socket:
        assert socket.response is not None
        sent = socket.response.headers.get("Set-Cookie", "")

    assert sent.startswith("session=") is server.program.sends_headers_of_accept


@pytest.mark.security("CS-08")
def test_socket_of_another_site_is_refused_before_it_is_accepted(server: AsgiServer, visitor: Visit) -> None:
    """The handshake itself is answered with 403, and says why where the server lets an application speak."""
    client = visitor(server)
    client.post("/count")

    refused = refusal_of(server, {**cookie_header(client), "Origin": "https://evil.example"})

    assert refused.status_code == 403
    assert (b"cross_site" in (refused.body or b"")) is server.program.answers_refused_sockets
    assert client.get("/session").json()["data"] == {"count": 1}


@pytest.mark.security("AV-10")
@pytest.mark.parametrize("program", PROGRAMS)
def test_server_ends_and_leaves_nothing(program: str, visitor: Visit) -> None:
    """Asked to end, a server ends, with no task of ours left at its lifespan's end and no process after it."""
    server = AsgiServer(APP, program).start()
    try:
        visitor(server).post("/count")
        group = server.process.pid
        server.end_in_order()

        wait_until(lambda: not _lives(group), f"all processes of {program} have ended", seconds=5)
        assert ("stopped, tasks left: []" in server.process.log) is server.program.sends_lifespan
    finally:
        server.stop()


@pytest.mark.security("AV-10")
@pytest.mark.parametrize("program", WITH_LIFESPAN)
def test_server_ends_and_leaves_no_connection(program: str, visitor: Visit, redis_url: str) -> None:
    """The same with the sessions in Redis: its connections and their tasks are closed before the server hears of the end."""
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


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
