"""Litestar: guards, ``request.session``, and Litestar's own ways to replace and to clear it.

Run it:

    uvicorn examples.litestar_app:app

Try it:

    curl -b jar -c jar -X POST http://127.0.0.1:8000/visits
    curl -b jar -c jar http://127.0.0.1:8000/profile                                          # 401
    curl -b jar -c jar -d username=ada -d password=lovelace http://127.0.0.1:8000/login
    curl -b jar -c jar http://127.0.0.1:8000/profile
    curl -b jar -c jar -X PUT http://127.0.0.1:8000/preferences?theme=dark
    curl -b jar -c jar http://127.0.0.1:8000/preferences
    curl -b jar -c jar -X DELETE http://127.0.0.1:8000/session

The middleware stands around the whole application, so that it gets the lifespan; Litestar's ``middleware=[...]`` are made for
each route and never see it.
"""

import os
import secrets
from dataclasses import dataclass
from typing import Annotated, Any, cast

from litestar import Litestar, Request, delete, get, post, put
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.params import Body

from asgi_session import RateLimit, Session, SessionMiddleware

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32)  # a random one ends all sessions at each start
USERS = {"ada": "lovelace", "grace": "hopper"}  # an example's; a real application keeps password hashes in its table of users

AnyRequest = Request[Any, Any, Any]


@dataclass
class Credentials:
    """The fields of the login form."""

    username: str
    password: str


def session_of(request: AnyRequest) -> Session:
    """The session with its verbs; ``request.session`` is the same object, which Litestar types as a plain dict."""
    return cast("Session", request.session)


def logged_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: only users may pass."""
    if not connection.user.is_authenticated:
        raise NotAuthorizedException("Log in first.")


@post("/visits", status_code=200)
async def count_visit(request: AnyRequest) -> dict[str, int]:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


@post("/login", status_code=200)
async def log_in(
    request: AnyRequest, data: Annotated[Credentials, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> dict[str, str]:
    known = USERS.get(data.username)
    if known is None or not secrets.compare_digest(known.encode(), data.password.encode()):
        raise NotAuthorizedException("Unknown user, or wrong password.")
    await session_of(request).login(data.username, keep=["visits"])
    return {"user": data.username}


@get("/profile", guards=[logged_in])
async def show_profile(request: AnyRequest) -> dict[str, Any]:
    session = session_of(request)
    return {"user": request.user.identity, "since": session.created_at, "visits": session.get("visits", 0)}


@put("/preferences", guards=[logged_in])
async def set_preferences(request: AnyRequest, theme: str) -> dict[str, str]:
    """Put another mapping into the session's place: it is the new data, while user and cookie stay."""
    request.set_session({"theme": theme})
    return {"theme": theme}


@get("/preferences", guards=[logged_in])
async def show_preferences(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@delete("/session", status_code=200)
async def forget_me(request: AnyRequest) -> dict[str, str]:
    """Clear the session: it has ended, and its cookie is withdrawn."""
    request.clear_session()
    return {"session": "ended"}


litestar = Litestar([count_visit, log_in, show_profile, set_preferences, show_preferences, forget_me])
app = SessionMiddleware(
    litestar,
    SECRET_KEY,
    rate_limits=[RateLimit("20/minute", paths=["/login"], name="login", on_store_error="closed")],
)
