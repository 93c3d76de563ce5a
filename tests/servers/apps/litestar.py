"""Litestar, with its own ways to replace and to clear a session."""

# ruff: noqa: D103 - the package says what each route does

from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Stream

from tests.servers.apps import KEEP, alive, count, note, shown, with_sessions

AnyRequest = Request[Any, Any, Any]


@post("/count", status_code=200)
async def post_count(request: AnyRequest) -> dict[str, int]:
    return {"count": count(request.session)}


@post("/note/{text:str}", status_code=200)
async def post_note(text: str, request: AnyRequest) -> dict[str, list[str]]:
    return {"notes": note(request.session, text)}


@post("/login/{user:str}", status_code=200)
async def login(user: str, request: AnyRequest) -> None:
    await request.session.login(user, keep=KEEP)


@post("/logout", status_code=200)
async def logout(request: AnyRequest) -> None:
    await request.session.logout()


@post("/replace", status_code=200)
async def replace(request: AnyRequest) -> None:
    request.set_session({"replaced": True})


@post("/clear", status_code=200)
async def clear(request: AnyRequest) -> None:
    request.clear_session()


@get("/session")
async def get_session(request: AnyRequest) -> dict[str, Any]:
    return shown(request.session, request.user)


@get("/stream")
async def stream(request: AnyRequest) -> Stream:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        request.session["streamed"] = True
        yield " last"

    return Stream(parts(), media_type="text/plain")


@websocket("/socket")
async def socket(socket: WebSocket[Any, Any, Any]) -> None:
    count(socket.session)
    await socket.accept()
    try:
        while True:
            await socket.receive_text()
            await socket.send_text(str(count(socket.session)))
    except WebSocketDisconnect:
        pass


app = with_sessions(
    Litestar(
        [post_count, post_note, login, logout, replace, clear, get_session, stream, socket],
        lifespan=[alive],
        openapi_config=None,
    )
)
