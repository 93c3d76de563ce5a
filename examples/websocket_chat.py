"""A chat over WebSockets: the handshake knows the visitor, and may give a new one its cookie.

Run it:

    uvicorn examples.websocket_chat:app

Join it from two terminals, as two guests (the program comes with the package "websockets"):

    websockets ws://127.0.0.1:8000/chat

Choose a name first, and join with the same cookie:

    curl -b jar -c jar -d name=Ada http://127.0.0.1:8000/name
    curl -b jar -c jar http://127.0.0.1:8000/name

A page of another site that opens this socket is refused before the handshake is accepted, and so is a client that opens too many.
Granian and daphne drop headers of the acceptance: there a new guest gets no cookie, and is another guest next time.
"""

import os
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from asgi_session import RateLimit, SessionMiddleware

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32)  # a random one ends all sessions at each start


class Room:
    """Who is in, on this process."""

    def __init__(self) -> None:
        self._sockets: set[WebSocket] = set()

    def enter(self, socket: WebSocket) -> None:
        """Let the socket hear what is said."""
        self._sockets.add(socket)

    def leave(self, socket: WebSocket) -> None:
        """Let it hear nothing more."""
        self._sockets.discard(socket)

    async def say(self, name: str, text: str) -> None:
        """Tell everybody; whoever has gone meanwhile is told nothing."""
        for socket in tuple(self._sockets):
            try:
                await socket.send_json({"from": name, "text": text})
            except (WebSocketDisconnect, RuntimeError):
                self.leave(socket)


room = Room()


def name_of(session: dict[str, Any]) -> str:
    """The visitor's name; a new guest gets one, which is kept in the session."""
    name: str = session.setdefault("name", f"guest-{secrets.token_hex(2)}")
    return name


async def show_name(request: Request) -> JSONResponse:
    return JSONResponse({"name": name_of(request.session)})


async def choose_name(request: Request) -> JSONResponse:
    async with request.form() as form:
        request.session["name"] = str(form.get("name", ""))[:40]
    return JSONResponse({"name": request.session["name"]})


async def chat(socket: WebSocket) -> None:
    """One visitor's stay in the room."""
    name = name_of(socket.session)  # before accept: a new session's cookie leaves with the acceptance
    await socket.accept()
    room.enter(socket)
    try:
        await room.say(name, "has joined")
        async for text in socket.iter_text():
            socket.session["messages"] = socket.session.get("messages", 0) + 1  # saved when the socket closes
            await room.say(name, text[:500])
    finally:
        room.leave(socket)
        await room.say(name, "has left")


app = Starlette(
    routes=[
        Route("/name", show_name),
        Route("/name", choose_name, methods=["POST"]),
        WebSocketRoute("/chat", chat),
    ],
    middleware=[
        Middleware(SessionMiddleware, SECRET_KEY, rate_limits=[RateLimit("20/minute", paths=["/chat"], name="sockets")]),
    ],
)
