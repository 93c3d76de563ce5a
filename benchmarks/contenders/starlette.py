"""Starlette's `SessionMiddleware`: the session is a signed cookie."""

from starlette.middleware.sessions import SessionMiddleware

from benchmarks.contenders.site import SECRET, ASGIApp, Site, application, filling_session, of_session


def cookie(site: Site) -> ASGIApp:
    """As it comes."""
    return SessionMiddleware(application(of_session, filling_session(site)), SECRET)


def fastapi(site: Site) -> ASGIApp:
    """A FastAPI application behind it."""
    from fastapi import FastAPI, Request
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/read")
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.session["name"])

    @app.post("/login")
    async def login(request: Request) -> PlainTextResponse:
        request.session.update(site.data)
        return PlainTextResponse(request.session["name"])

    app.add_middleware(SessionMiddleware, secret_key=SECRET)
    return app
