"""A site for real servers: pages, and sockets and streams whose applications do all they can not to notice an end.

=====================  ==========================================================================================
GET  /judged           user, data and verdict
POST /count            adds one to ``session["visits"]``
POST /logout
GET  /events           a stream that ends with its session
WS   /listen           answers each message
WS   /broadcast        sends for ever, and never listens
WS   /flood            the same, more than anybody takes
=====================  ==========================================================================================
"""

import asyncio
import os
from typing import Any

from asgi_session import SessionMiddleware
from tests.cache.workers import PAGES
from tests.support.site import SECRET, pages

SESSION_COOKIE = "session"
_ANSWER = pages(PAGES)


async def site(scope: Any, receive: Any, send: Any) -> None:
    """See the module."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/listen":
            await _listen(receive, send)
        else:
            await _broadcast(send, size=2**20 if scope["path"] == "/flood" else 500)
        print("socket over", flush=True)
    elif scope["path"] == "/events":
        await _events(scope, send)
        print("stream over", flush=True)
    else:
        await _ANSWER(scope, receive, send)


async def _listen(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _broadcast(send: Any, *, size: int) -> None:
    try:
        while True:
            await send({"type": "websocket.send", "bytes": bytes(size)})
            await asyncio.sleep(0.001)
    finally:
        print("broadcast over", flush=True)


async def _events(scope: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: begin\n\n", "more_body": True})
    await scope["session"].wait_ended()
    await send({"type": "http.response.body", "body": b"data: end\n\n"})


app = SessionMiddleware(site, SECRET, session_cookie=SESSION_COOKIE, https_only=False, store=os.environ.get("STORE"))
