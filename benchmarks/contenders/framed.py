"""The applications in which sessions of a framework are measured: the same handlers, whoever keeps the session."""

from typing import TYPE_CHECKING, Any

from benchmarks.contenders.site import NAME, Site

if TYPE_CHECKING:
    from fastapi import FastAPI
    from quart import Quart


def litestar_handlers(site: Site) -> list[Any]:
    """Two routes for a Litestar application."""
    from litestar import Request, get, post

    @get("/read", media_type="text/plain")
    async def read(request: Request[Any, Any, Any]) -> str:
        name: str = request.session["name"]
        return name

    @post("/login", status_code=200, media_type="text/plain")
    async def login(request: Request[Any, Any, Any]) -> str:
        request.set_session(site.data)
        return NAME

    return [read, login]


def quart_application(site: Site) -> "Quart":
    """A Quart application; whoever keeps its sessions is set by the contender."""
    from quart import Quart, session

    app = Quart("benchmarks")

    @app.get("/read")
    async def read() -> str:
        name: str = session["name"]
        return name

    @app.post("/login")
    async def login() -> str:
        session.update(site.data)
        return NAME

    return app


def fastapi_application(site: Site) -> "FastAPI":
    """A FastAPI application, to be put behind a middleware."""
    from fastapi import FastAPI, Request
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/read")
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.session["name"])

    @app.post("/login")
    async def login(request: Request) -> PlainTextResponse:
        request.session.update(site.data)
        return PlainTextResponse(NAME)

    return app
