"""Starlette: a counter, notes, logins, and a list of the sessions that a user may end from elsewhere.

Run it:

    uvicorn examples.starlette_app:app

Try it (-b and -c make curl keep its cookie in the file "jar", as a browser does):

    curl -b jar -c jar -X POST http://127.0.0.1:8000/counter
    curl -b jar -c jar -d text=milk http://127.0.0.1:8000/notes
    curl -b jar -c jar http://127.0.0.1:8000/api/me                                           # 401
    curl -b jar -c jar -d username=ada -d password=lovelace http://127.0.0.1:8000/login
    curl -b jar -c jar http://127.0.0.1:8000/api/me
    curl -b jar -c jar http://127.0.0.1:8000/session
    curl -b jar -c jar http://127.0.0.1:8000/sessions
    curl -b jar -c jar -X DELETE http://127.0.0.1:8000/sessions/others
    curl -b jar -c jar -X POST http://127.0.0.1:8000/logout
    curl -i http://127.0.0.1:8000/api/ping                                                    # 200 five times, then 429
"""

import os
import secrets
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from asgi_session import RateLimit, Session, SessionMiddleware, SessionStore
from asgi_session.tokens import TokenVerifier

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32)  # a random one ends all sessions at each start
USERS = {"ada": "lovelace", "grace": "hopper"}  # an example's; a real application keeps password hashes in its table of users
RATE_LIMITS = (
    RateLimit("20/minute", paths=["/login"], methods=["POST"], name="login", on_store_error="closed"),
    RateLimit("5 per 10 second", paths=["/api/ping"], name="ping"),
)


def session_of(request: Request) -> Session:
    """The session with its verbs; ``request.session`` is the same object, which Starlette types as a plain dict."""
    session: Session = request.scope["session"]
    return session


async def show_session(request: Request) -> JSONResponse:
    session, context = session_of(request), request.scope["asgi_session"]
    return JSONResponse(
        {
            "user": session.user_id,
            "handle": session.handle,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
            "data": dict(session),
            "credential": context.credential,
            "verdict": context.verdict._asdict(),
        }
    )


async def count(request: Request) -> JSONResponse:
    session = session_of(request)
    session["counter"] = session.get("counter", 0) + 1
    return JSONResponse({"counter": session["counter"]})


async def add_note(request: Request) -> JSONResponse:
    """Append to a list deep inside the session; that is saved like any other change."""
    async with request.form() as form:
        text = str(form.get("text", ""))[:200]
    notes = session_of(request).setdefault("notebook", {"notes": []})["notes"]
    notes.append(text)
    del notes[:-5]
    return JSONResponse({"notes": notes})


async def log_in(request: Request) -> JSONResponse:
    async with request.form() as form:
        username, password = str(form.get("username", "")), str(form.get("password", ""))
    if not secrets.compare_digest(USERS.get(username, "").encode(), password.encode()) or username not in USERS:
        return JSONResponse({"error": "Unknown user, or wrong password."}, 401)
    await session_of(request).login(username, keep=["counter", "notebook"])
    return JSONResponse({"user": username})


async def log_out(request: Request) -> JSONResponse:
    await session_of(request).logout()
    return JSONResponse({"user": None})


@requires("authenticated", status_code=401)
async def list_sessions(request: Request) -> JSONResponse:
    """Show the user where else they are logged in. Handles may be shown; they are no way into a session."""
    sessions = await request.scope["asgi_session"].manager.list_for_user(request.user.identity)
    here = session_of(request).handle
    return JSONResponse(
        [
            {"handle": session.handle, "here": session.handle == here, "created_at": session.created_at, **session.metadata}
            for session in sessions
            if session.is_live
        ]
    )


@requires("authenticated", status_code=401)
async def end_other_sessions(request: Request) -> JSONResponse:
    await session_of(request).revoke_others()
    return JSONResponse({})


@requires("authenticated", status_code=401)
async def me(request: Request) -> JSONResponse:
    """Answer whoever proves who they are: by the cookie, by a session id as bearer, or by a token of a known issuer."""
    claims: dict[str, Any] = dict(request.scope["asgi_session"].claims or {})
    return JSONResponse(
        {
            "user": request.user.identity,
            "may": list(request.auth.scopes),
            "by": request.scope["asgi_session"].credential,
            "issuer": claims.get("iss"),
        }
    )


async def ping(request: Request) -> JSONResponse:
    """Answer five times in ten seconds; then the middleware answers in its place."""
    return JSONResponse({"pong": True})


ROUTES = (
    Route("/session", show_session),
    Route("/counter", count, methods=["POST"]),
    Route("/notes", add_note, methods=["POST"]),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
    Route("/sessions", list_sessions),
    Route("/sessions/others", end_other_sessions, methods=["DELETE"]),
    Route("/api/me", me),
    Route("/api/ping", ping),
)


def create_app(
    store: SessionStore | str = "memory://", bearer: Sequence[TokenVerifier] = (), more_routes: Sequence[BaseRoute] = ()
) -> Starlette:
    """The application; ``examples.demo`` adds its page and its issuer of tokens."""
    sessions = Middleware(SessionMiddleware, SECRET_KEY, store=store, bearer=bearer, rate_limits=RATE_LIMITS)
    return Starlette(routes=[*ROUTES, *more_routes], middleware=[sessions])


app = create_app(os.environ.get("SESSION_STORE", "memory://"))
