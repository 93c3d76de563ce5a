"""No framework, and visitors with tokens of the issuer whose keys are in ``JWKS``: sockets that echo."""

import json
import os
from typing import Any

from asgi_session import JWTVerifier, SessionMiddleware
from tests.servers.apps import SECRET_KEY
from tests.servers.apps.bare import lifespan
from tests.tokens.parts import AUDIENCE, ISSUER


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer each message with itself."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


app = SessionMiddleware(
    echo, SECRET_KEY, store="memory://", bearer=JWTVerifier(ISSUER, audience=AUDIENCE, jwks=json.loads(os.environ["JWKS"]))
)
