"""WebSockets whose session can't be saved while they are being accepted."""

from typing import Any

import pytest

from asgi_session import SessionMiddleware
from tests.faults.conftest import SECRET
from tests.faults.redis_faults import RedisRig
from tests.support.asgi import Conversation, websocket_scope

pytestmark = [pytest.mark.redis, pytest.mark.alone]


@pytest.mark.security("AV-01", "AV-02")
@pytest.mark.parametrize(("can_answer", "answer"), [(True, "websocket.http.response.start"), (False, "websocket.close")])
async def test_a_handshake_is_refused_at_once(rig: RedisRig, can_answer: bool, answer: str) -> None:
    """The client waits for the handshake's answer and says nothing more, so nobody may wait for it."""

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["session"]["room"] = "lobby"
        await rig.begin("refused")
        await send({"type": "websocket.accept"})

    middleware = SessionMiddleware(chat, SECRET, store=rig.url)
    await middleware.initialize()
    async with Conversation(middleware, websocket_scope(can_answer=can_answer)) as talk:
        talk.say("websocket.connect")
        refusal = await talk.hear()
        assert refusal["type"] == answer
        assert refusal.get("status", 503) == 503
        assert not any(name == b"set-cookie" for name, _ in refusal.get("headers", ()))
    await middleware.shutdown()
