"""How a refusal reaches the client."""

import json
from typing import Any

import pytest

from asgi_session.stages.base import Rejection, bearer_refused, unavailable
from tests.support.asgi import Conversation, exchange, http_scope, websocket_scope


def refusing(rejection: Rejection) -> Any:
    """An application that does nothing else."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await rejection.send(scope, receive, send)

    return app


@pytest.mark.security("CS-11")
async def test_a_refusal_is_problem_details() -> None:
    """RFC 9457, with our stable code, the right length, and never cached."""
    rejection = Rejection(403, "Forbidden", "cross_site", "Do this.", [(b"x-a", b"1")], extra={"violated": ["a"]})
    response = await exchange(refusing(rejection), http_scope("POST"))
    assert response.status == 403
    assert response.get("content-type") == "application/problem+json"
    assert response.get("content-length") == str(len(response.body))
    assert response.get("cache-control") == "no-store"
    assert response.get("x-a") == "1"
    assert response.json() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "code": "cross_site",
        "detail": "Do this.",
        "violated": ["a"],
    }


async def test_a_body_that_is_there_already_is_sent_as_it_is() -> None:
    """The rate limiter brings its own problem details."""
    response = await exchange(refusing(Rejection(429, "Too Many", "quota", body=b'{"a":1}')), http_scope())
    assert response.json() == {"a": 1}


async def test_head_gets_the_headers_alone() -> None:
    """With the length that GET would have."""
    rejection = Rejection(403, "Forbidden", "cross_site")
    whole = await exchange(refusing(rejection), http_scope())
    response = await exchange(refusing(rejection), http_scope("HEAD"))
    assert response.body == b""
    assert response.get("content-length") == str(len(whole.body))


@pytest.mark.security("RL-18")
@pytest.mark.parametrize("extensions", [None, {}, {"websocket.http.response": {}}])
async def test_a_handshake_is_answered_after_it_was_received(extensions: Any) -> None:
    """The server is asked for `websocket.connect` first; then it closes, or sends the response where it can."""
    scope = websocket_scope() | {"extensions": extensions}
    async with Conversation(refusing(unavailable("The store", 2)), scope) as talk:
        talk.say("websocket.connect")
        messages = (await talk.ended()).messages
    if extensions:
        assert [message["type"] for message in messages] == ["websocket.http.response.start", "websocket.http.response.body"]
        assert json.loads(messages[1]["body"])["status"] == 503
    else:
        assert messages == [{"type": "websocket.close", "code": 1008, "reason": "Service Unavailable"}]


@pytest.mark.parametrize(("wait", "said"), [(0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (30.0, b"30")])
def test_unavailable_says_when_to_come_back(wait: float, said: bytes) -> None:
    """Whole seconds, rounded up, at least one; and it says nothing about cookies."""
    rejection = unavailable("The store", wait)
    assert list(rejection.headers) == [(b"retry-after", said)]
    assert rejection.detail == "The store does not answer just now. Try again later."


@pytest.mark.security("ID-12")
def test_a_refused_bearer_varies_by_authorization() -> None:
    """A cache must not hand one client's 401 to another."""
    rejection = bearer_refused(401, "Unauthorized", "invalid_token", 'Bearer realm="api"')
    assert dict(rejection.headers) == {b"www-authenticate": b'Bearer realm="api"', b"vary": b"Authorization"}
