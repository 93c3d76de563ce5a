"""The same story in five frameworks under four server programs: what a handler does to its session means the same everywhere.

Each application runs once under each server. In what a server differs from the others, ``programs.py`` says.
"""

import os
from collections.abc import Callable, Iterator
from itertools import product

import httpx
import pytest

from tests.servers.programs import PROGRAMS, AsgiServer
from tests.servers.sockets import cookie_header, open_socket, refusal_of
from tests.services.process import wait_until

pytestmark = pytest.mark.server

Visit = Callable[[AsgiServer], httpx.Client]

FRAMEWORKS = ["bare", "starlette", "fastapi", "litestar", "quart"]
PAIRS = [
    pytest.param(
        (framework, program),
        id=f"{framework}-{program}",
        marks=[pytest.mark.slow] if framework != "starlette" and program != "uvicorn" else [],  # the others show each once
    )
    for framework, program in product(FRAMEWORKS, PROGRAMS)
]
# No WebSocket of Quart's opens under daphne, also without sessions: daphne's scope has no ``scheme``, and Quart reads it.
PAIRS_WITH_SOCKETS = [pair for pair in PAIRS if pair.id != "quart-daphne"]
with_sockets = pytest.mark.parametrize("server", PAIRS_WITH_SOCKETS, indirect=True)


@pytest.fixture(scope="module", params=PAIRS)
def server(request: pytest.FixtureRequest) -> Iterator[AsgiServer]:
    """A framework's application under a server program. The last test of this file ends it in order."""
    framework, program = request.param
    running = AsgiServer(f"tests.servers.apps.{framework}:app", program).start()
    yield running
    running.stop()


def data_of(client: httpx.Client) -> dict[str, object]:
    """What the client's next request finds in its session."""
    data: dict[str, object] = client.get("/session").json()["data"]
    return data


@pytest.mark.security("ID-14")
def test_reading_leaves_nothing_behind(server: AsgiServer, visitor: Visit) -> None:
    """A visitor whose session stays empty gets no cookie."""
    answer = visitor(server).get("/session")

    assert answer.json() == {"user": None, "handle": None, "data": {}}
    assert "set-cookie" not in answer.headers


def test_session_lasts_from_request_to_request(server: AsgiServer, visitor: Visit) -> None:
    """The first change brings the cookie, the following ones build on it, and none of them repeats it."""
    client, somebody_else = visitor(server), visitor(server)

    answers = [client.post("/count") for _ in range(3)]

    assert [answer.json()["count"] for answer in answers] == [1, 2, 3]
    assert ["set-cookie" in answer.headers for answer in answers] == [True, False, False]
    assert all(answer.headers["vary"] == "Cookie" for answer in answers)
    assert somebody_else.post("/count").json() == {"count": 1}


def test_nested_changes_are_saved(server: AsgiServer, visitor: Visit) -> None:
    """A list deep inside a value keeps what was appended, though no key was assigned."""
    client = visitor(server)
    client.post("/note/milk")

    client.post("/note/bread")

    assert data_of(client) == {"notes": {"list": ["milk", "bread"]}}


@pytest.mark.security("LC-01", "LC-14")
def test_login_changes_the_id_and_kills_the_old_one(server: AsgiServer, visitor: Visit) -> None:
    """Who logs in gets another cookie with what was to be kept; whoever still has the old one has nothing."""
    client, thief = visitor(server), visitor(server)
    client.post("/count")
    client.post("/note/planted")
    thief.cookies = httpx.Cookies(client.cookies)

    client.post("/login/ada")

    assert client.get("/session").json()["user"] == "ada"
    assert data_of(client) == {"count": 1}
    assert thief.get("/session").json() == {"user": None, "handle": None, "data": {}}


@pytest.mark.security("LC-07")
def test_logout_ends_the_session_and_withdraws_the_cookie(server: AsgiServer, visitor: Visit) -> None:
    """After a logout the cookie is gone, and would be worth nothing if it were not."""
    client, second_tab = visitor(server), visitor(server)
    client.post("/login/ada")
    second_tab.cookies = httpx.Cookies(client.cookies)

    client.post("/logout")

    assert not client.cookies
    assert second_tab.get("/session").json()["user"] is None


def test_another_mapping_in_its_place_is_the_new_data(server: AsgiServer, visitor: Visit) -> None:
    """A handler that replaces the session has replaced its data; user and cookie stay."""
    client = visitor(server)
    client.post("/login/ada")
    client.post("/count")

    client.post("/replace")

    assert client.get("/session").json()["user"] == "ada"
    assert data_of(client) == {"replaced": True}


def test_clearing_ends_it(server: AsgiServer, visitor: Visit) -> None:
    """A handler that clears the session, each framework in its own way, has ended it."""
    client = visitor(server)
    client.post("/count")

    client.post("/clear")

    assert not client.cookies
    assert data_of(client) == {}


def test_change_made_while_streaming_is_saved(server: AsgiServer, visitor: Visit) -> None:
    """What a handler changes after its first byte has left is saved at the end of the response."""
    client = visitor(server)
    client.post("/count")

    answer = client.get("/stream")

    assert answer.text == "first last"
    assert data_of(client) == {"count": 1, "streamed": True}


@with_sockets
def test_socket_has_the_session(server: AsgiServer, visitor: Visit) -> None:
    """A WebSocket finds the visitor's session, and what it changes before the handshake and at its end is saved."""
    client = visitor(server)
    client.post("/count")

    with open_socket(server, cookie_header(client)) as socket:
        assert data_of(client) == {"count": 2}
        socket.send("once more")
        assert socket.recv(timeout=10) == "3"

    # the client knows that it has closed the socket before the server's application does
    wait_until(lambda: data_of(client) == {"count": 3}, "the socket's count is saved", seconds=10)


@with_sockets
def test_handshake_brings_the_cookie_where_the_server_can(server: AsgiServer) -> None:
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
    assert data_of(client) == {"count": 1}


@pytest.mark.security("AV-10")
def test_server_ends_and_leaves_nothing(server: AsgiServer) -> None:
    """Asked to end, it ends: first the application, then what is ours, and no task, process or traceback is left."""
    group = server.process.pid

    server.end_in_order()

    wait_until(lambda: not _lives(group), "all its processes have ended", seconds=5)
    told = [line for line in server.process.log.splitlines() if line.startswith(("the application", "stopped, tasks left"))]
    lifespan = ["the application starts", "the application ends", "stopped, tasks left: []"]
    assert told == (lifespan if server.program.sends_lifespan else [])  # daphne tells nobody
    assert "Traceback" not in server.process.log


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
