"""asgi_session around the same applications in which peers that need a framework are measured."""

from uuid import uuid4

from benchmarks.contenders.framed import fastapi_application, litestar_handlers, quart_application
from benchmarks.contenders.ours import limit_around, sessions_around
from benchmarks.contenders.site import NAME, ASGIApp, Site


def litestar(site: Site, miss: bool = False) -> ASGIApp:
    """As Litestar's own sessions are measured."""
    from litestar import Litestar

    return sessions_around(Litestar(litestar_handlers(site)), site, miss=miss)


def quart(site: Site, miss: bool = False) -> ASGIApp:
    """As quart-session is measured."""
    from asgi_session.adapters.quart import ScopeSessionInterface

    app = quart_application(site)
    app.session_interface = ScopeSessionInterface()  # type: ignore[assignment]  # typed by Quart as its default
    return sessions_around(app, site, miss=miss)


def fastapi(site: Site, rules: int = 1) -> ASGIApp:
    """Sessions with data, as Starlette's cookie is measured."""
    return sessions_around(fastapi_application(site), site, rules)


def fastapi_user(site: Site, miss: bool = False) -> ASGIApp:
    """As crudauth is measured: a route for users only, by a dependency; each login is another user's, and holds no data."""
    from fastapi import Depends, FastAPI, HTTPException, Request
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    async def current_user(request: Request) -> str:
        if not request.user.is_authenticated:
            raise HTTPException(401)
        user: str = request.user.identity
        return user

    signed_in = Depends(current_user)

    @app.get("/read")
    async def read(me: str = signed_in) -> PlainTextResponse:
        return PlainTextResponse(me.partition("-")[0])

    @app.post("/sign-in")
    async def login(request: Request) -> PlainTextResponse:
        await request.scope["session"].login(f"{NAME}-{uuid4()}")
        return PlainTextResponse(NAME)

    return sessions_around(app, site, miss=miss)


def fastapi_limit(site: Site) -> ASGIApp:
    """As fastapi-limiter and slowapi are measured: a rate limit, and nobody has a session."""
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/read")
    async def read() -> PlainTextResponse:
        return PlainTextResponse(NAME)

    return limit_around(app, site)
