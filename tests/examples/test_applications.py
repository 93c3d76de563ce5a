"""What single examples show beyond their documented lines."""

import json
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from tests.examples.conftest import Start
from tests.examples.documented import Curl
from tests.servers.programs import AsgiServer
from tests.servers.sockets import cookie_header, open_socket, refusal_of

pytestmark = pytest.mark.server

Make = Callable[[AsgiServer], Curl]
LOGIN = {"username": "ada", "password": "lovelace"}


@pytest.fixture
def visitor() -> "Callable[[AsgiServer], httpx.Client]":
    """Makes visitors, each with a jar of its own."""
    return lambda server: httpx.Client(base_url=server.url, trust_env=False, timeout=10)


def test_starlette_runs_into_its_limit(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """The sixth ping in ten seconds is refused, with when to come back."""
    with visitor(start("starlette_app")) as client:
        answers = [client.get("/api/ping") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"ping";q=5;w=10'
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
    assert answers[-1].headers["content-type"] == "application/problem+json"


def test_starlette_ends_the_other_sessions(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """A user sees where else they are logged in, and ends those sessions."""
    server = start("starlette_app")
    with visitor(server) as laptop, visitor(server) as phone:
        laptop.post("/login", data=LOGIN)
        phone.post("/login", data=LOGIN)
        seen = laptop.get("/sessions").json()
        laptop.delete("/sessions/others")

        assert Counter(session["here"] for session in seen) == {True: 1, False: 1}
        assert (laptop.get("/api/me").status_code, phone.get("/api/me").status_code) == (200, 401)


def test_fastapi_documents_both_credentials(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """OpenAPI knows the cookie and the bearer, and asks for one of them where a user is needed."""
    with visitor(start("fastapi_app")) as client:
        schema = client.get("/openapi.json").json()

    assert schema["components"]["securitySchemes"] == {
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-session",
            "description": "On plain http to your own machine: `session`.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "A session id, as /token gives it."},
    }
    assert schema["paths"]["/orders"]["get"]["security"] == [{"cookie": []}, {"bearer": []}]
    assert "security" not in schema["paths"]["/cart"]["get"]


def test_fastapi_takes_a_session_id_as_bearer(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """A client without cookies logs in at /token, and roles hold for it too."""
    with visitor(start("fastapi_app")) as client:
        token = client.post("/token", data={"username": "grace", "password": "hopper"}).json()["access_token"]
        assert not client.cookies
        bearer = {"Authorization": f"Bearer {token}"}

        assert client.get("/admin/orders", headers=bearer).status_code == 200
        assert client.get("/admin/orders").status_code == 401


@pytest.mark.security("JW-17")
def test_fastapi_challenges_a_bearer(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """Who presents nothing is asked for a bearer; whose bearer may not do this is told what is lacking (RFC 6750 §3.1)."""
    with visitor(start("fastapi_app")) as client:
        token = client.post("/token", data=LOGIN).json()["access_token"]
        nobody = client.get("/admin/orders")
        user = client.get("/admin/orders", headers={"Authorization": f"Bearer {token}"})

    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
    assert user.status_code == 403
    assert 'error="insufficient_scope"' in user.headers["www-authenticate"]
    assert user.headers["www-authenticate"].endswith('scope="role:admin"')


def test_litestar_replaces_and_clears(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """``set_session`` is the new data of the same user's session; ``clear_session`` ends it."""
    with visitor(start("litestar_app")) as client:
        client.post("/visits")
        client.post("/login", data=LOGIN)
        client.put("/preferences", params={"theme": "dark"})
        after_replacing = client.get("/preferences").json(), client.get("/profile").json()["user"]
        client.delete("/session")

        assert after_replacing == ({"theme": "dark"}, "ada")
        assert client.get("/profile").status_code == 401
        assert not client.cookies


def test_quart_shows_a_message_once(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """What ``flash`` left at the login is shown by the next page and by no other."""
    with visitor(start("quart_app")) as client:
        client.get("/")
        client.post("/login", data=LOGIN)
        pages = [client.get("/").json() for _ in range(2)]

    assert pages == [
        {"user": "ada", "visits": 2, "messages": ["Welcome, ada."]},
        {"user": "ada", "visits": 3, "messages": []},
    ]


def test_chat_knows_who_speaks(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """Two visitors hear each other by the names in their sessions; a guest's cookie comes with the handshake."""
    server = start("websocket_chat")
    with visitor(server) as ada:
        ada.post("/name", data={"name": "Ada"})
        with open_socket(server, cookie_header(ada), "/chat") as hers:
            assert json.loads(hers.recv(timeout=10)) == {"from": "Ada", "text": "has joined"}
            with open_socket(server, path="/chat") as guests:
                assert guests.response is not None
                assert guests.response.headers["Set-Cookie"].startswith("session=")
                guest = json.loads(hers.recv(timeout=10))["from"]
                hers.send("Welcome!")

                heard = [json.loads(guests.recv(timeout=10)) for _ in range(2)]

    assert guest.startswith("guest-")
    assert heard == [{"from": guest, "text": "has joined"}, {"from": "Ada", "text": "Welcome!"}]


def test_chat_refuses_another_sites_page(start: Start, visitor: Callable[[AsgiServer], httpx.Client]) -> None:
    """A page of another site can't join with a visitor's cookie."""
    server = start("websocket_chat")
    with visitor(server) as ada:
        ada.post("/name", data={"name": "Ada"})

        refused = refusal_of(server, {**cookie_header(ada), "Origin": "https://evil.example"}, "/chat")

    assert refused.status_code == 403
