"""The same story in five frameworks, over real HTTP: what a handler does to its session means the same everywhere."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.servers.programs import AsgiServer
from tests.servers.sockets import cookie_header, open_socket

pytestmark = pytest.mark.server

Visit = Callable[[AsgiServer], httpx.Client]


@pytest.fixture(scope="module", params=["bare", "starlette", "fastapi", "litestar", "quart"])
def server(request: pytest.FixtureRequest) -> Iterator[AsgiServer]:
    """The framework's application under uvicorn."""
    running = AsgiServer(f"tests.servers.apps.{request.param}:app").start()
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


def test_socket_has_the_session(server: AsgiServer, visitor: Visit) -> None:
    """A WebSocket finds the visitor's session, and what it changes before the handshake and at its end is saved."""
    client = visitor(server)
    client.post("/count")

    with open_socket(server, cookie_header(client)) as socket:
        assert data_of(client) == {"count": 2}
        socket.send("once more")
        assert socket.recv(timeout=10) == "3"

    # the client knows that it has closed the socket before the server's application does
    deadline = time.monotonic() + 10
    while data_of(client) != {"count": 3}:
        assert time.monotonic() < deadline
