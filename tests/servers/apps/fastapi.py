"""FastAPI."""

# ruff: noqa: D103 - the package says what each route does

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.responses import StreamingResponse

from asgi_session import Session
from tests.servers.apps import KEEP, alive, count, note, shown, with_sessions

fastapi = FastAPI(lifespan=alive)


def session_of(connection: HTTPConnection) -> Session:
    session: Session = connection.scope["session"]
    return session


CurrentSession = Annotated[Session, Depends(session_of)]


@fastapi.post("/count")
async def post_count(session: CurrentSession) -> dict[str, int]:
    return {"count": count(session)}


@fastapi.post("/note/{text}")
async def post_note(text: str, session: CurrentSession) -> dict[str, list[str]]:
    return {"notes": note(session, text)}


@fastapi.post("/login/{user}")
async def login(user: str, session: CurrentSession) -> None:
    await session.login(user, keep=KEEP)


@fastapi.post("/logout")
async def logout(session: CurrentSession) -> None:
    await session.logout()


@fastapi.post("/replace")
async def replace(request: Request) -> None:
    request.scope["session"] = {"replaced": True}


@fastapi.post("/clear")
async def clear(session: CurrentSession) -> None:
    session.clear()


@fastapi.get("/session")
async def get_session(request: Request, session: CurrentSession) -> dict[str, Any]:
    return shown(session, request.user)


@fastapi.get("/stream")
async def stream(session: CurrentSession) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        session["streamed"] = True
        yield " last"

    return StreamingResponse(parts(), media_type="text/plain")


@fastapi.websocket("/socket")
async def socket(websocket: WebSocket, session: CurrentSession) -> None:
    count(session)
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(str(count(session)))


app = with_sessions(fastapi)
