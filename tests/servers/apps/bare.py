"""No framework: an ASGI callable."""

# ruff: noqa: D103 - the package says what each route does

import json
from typing import Any

from tests.servers.apps import KEEP, alive, count, note, shown, with_sessions


async def bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await socket(scope, receive, send)
    elif scope["path"] == "/stream":
        await stream(scope, send)
    else:
        body = json.dumps(await answer(scope)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


async def answer(scope: Any) -> Any:
    session = scope["session"]
    action, _, argument = scope["path"].removeprefix("/").partition("/")
    match action:
        case "count":
            return {"count": count(session)}
        case "note":
            return {"notes": note(session, argument)}
        case "login":
            await session.login(argument, keep=KEEP)
        case "logout":
            await session.logout()
        case "replace":
            scope["session"] = {"replaced": True}
            return {}
        case "clear":
            session.clear()
            return {}
    return shown(session, scope["user"])


async def stream(scope: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    scope["session"]["streamed"] = True
    await send({"type": "http.response.body", "body": b" last"})


async def socket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    count(scope["session"])
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(count(scope["session"]))})


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    async with alive():
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


app = with_sessions(bare)
