"""Quart, with ``quart.session``."""

# ruff: noqa: D103 - the package says what each route does

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, request, session, websocket

from asgi_session.adapters.quart import ScopeSessionInterface
from tests.servers.apps import KEEP, alive, count, note, shown, with_sessions

quart = Quart(__name__)
quart.session_interface = ScopeSessionInterface()


@quart.while_serving
async def lifespan() -> AsyncIterator[None]:
    async with alive():
        yield


@quart.post("/count")
async def post_count() -> dict[str, int]:
    return {"count": count(session)}


@quart.post("/note/<text>")
async def post_note(text: str) -> dict[str, list[str]]:
    return {"notes": note(session, text)}


@quart.post("/login/<user>")
async def login(user: str) -> dict[str, Any]:
    await session.login(user, keep=KEEP)
    return {}


@quart.post("/logout")
async def logout() -> dict[str, Any]:
    await session.logout()
    return {}


@quart.post("/replace")
async def replace() -> dict[str, Any]:
    request.scope["session"] = {"replaced": True}
    return {}


@quart.post("/clear")
async def clear() -> dict[str, Any]:
    session.clear()
    return {}


@quart.get("/session")
async def get_session() -> dict[str, Any]:
    return shown(session, request.scope["user"])


@quart.get("/stream")
async def stream() -> Any:
    mine = request.scope["session"]

    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        mine["streamed"] = True
        yield b" last"

    return parts(), {"content-type": "text/plain"}


@quart.websocket("/socket")
async def socket() -> None:
    count(session)
    await websocket.accept()
    while True:
        await websocket.receive()
        await websocket.send(str(count(session)))


app = with_sessions(quart)
