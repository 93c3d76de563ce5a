"""Starlette's `SessionMiddleware`: the session is a signed cookie."""

from starlette.middleware.sessions import SessionMiddleware

from benchmarks.contenders.framed import fastapi_application
from benchmarks.contenders.site import SECRET, ASGIApp, Site, application, filling_session, of_session


def cookie(site: Site) -> ASGIApp:
    """As it comes."""
    return SessionMiddleware(application(of_session, filling_session(site)), SECRET)


def fastapi(site: Site) -> ASGIApp:
    """A FastAPI application behind it."""
    app = fastapi_application(site)
    app.add_middleware(SessionMiddleware, secret_key=SECRET)
    return app
