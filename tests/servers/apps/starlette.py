"""Starlette, and with it everything that has Starlette's ``request.session``."""

# ruff: noqa: D103 - the package says what each route does

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.servers.apps import KEEP, alive, count, note, shown, with_sessions


async def post_count(request: Request) -> JSONResponse:
    return JSONResponse({"count": count(request.session)})


async def post_note(request: Request) -> JSONResponse:
    return JSONResponse({"notes": note(request.session, request.path_params["text"])})


async def login(request: Request) -> JSONResponse:
    await request.session.login(request.path_params["user"], keep=KEEP)
    return JSONResponse({})


async def logout(request: Request) -> JSONResponse:
    await request.session.logout()
    return JSONResponse({})


async def replace(request: Request) -> JSONResponse:
    request.scope["session"] = {"replaced": True}
    return JSONResponse({})


async def clear(request: Request) -> JSONResponse:
    request.session.clear()
    return JSONResponse({})


async def get_session(request: Request) -> JSONResponse:
    return JSONResponse(shown(request.session, request.user))


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        request.session["streamed"] = True
        yield " last"

    return StreamingResponse(parts(), media_type="text/plain")


async def socket(websocket: WebSocket) -> None:
    count(websocket.session)
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(str(count(websocket.session)))


app = with_sessions(
    Starlette(
        routes=[
            Route("/count", post_count, methods=["POST"]),
            Route("/note/{text}", post_note, methods=["POST"]),
            Route("/login/{user}", login, methods=["POST"]),
            Route("/logout", logout, methods=["POST"]),
            Route("/replace", replace, methods=["POST"]),
            Route("/clear", clear, methods=["POST"]),
            Route("/session", get_session),
            Route("/stream", stream),
            WebSocketRoute("/socket", socket),
        ],
        lifespan=alive,
    )
)
