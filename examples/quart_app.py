"""Quart: ``quart.session``, with a login and a message that is shown once.

Run it:

    uvicorn examples.quart_app:app

Try it:

    curl -b jar -c jar http://127.0.0.1:8000/
    curl -b jar -c jar -d username=ada -d password=lovelace http://127.0.0.1:8000/login
    curl -b jar -c jar http://127.0.0.1:8000/
    curl -b jar -c jar -X POST http://127.0.0.1:8000/logout
    curl -b jar -c jar -d username=ada -d password=wrong http://127.0.0.1:8000/login          # 401
"""

import os
import secrets
from typing import Any

from quart import Quart, flash, get_flashed_messages, request, session

from asgi_session import RateLimit, Session, SessionMiddleware
from asgi_session.adapters.quart import ScopeSessionInterface

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32)  # a random one ends all sessions at each start
USERS = {"ada": "lovelace", "grace": "hopper"}  # an example's; a real application keeps password hashes in its table of users

quart_app = Quart(__name__)
quart_app.session_interface = ScopeSessionInterface()  # type: ignore[assignment]  # typed by Quart as its default


def current_session() -> Session:
    """``quart.session`` with its verbs, which Quart's own types don't know of."""
    mine: Session = request.scope["session"]  # type: ignore[typeddict-item]  # Hypercorn types only the keys of the servers
    return mine


@quart_app.get("/")
async def index() -> dict[str, Any]:
    session["visits"] = session.get("visits", 0) + 1
    return {"user": current_session().user_id, "visits": session["visits"], "messages": get_flashed_messages()}


@quart_app.post("/login")
async def log_in() -> tuple[dict[str, Any], int]:
    form = await request.form
    username, password = form.get("username", ""), form.get("password", "")
    if username not in USERS or not secrets.compare_digest(USERS[username].encode(), password.encode()):
        return {"error": "Unknown user, or wrong password."}, 401
    await current_session().login(username, keep=["visits"])
    await flash(f"Welcome, {username}.")
    return {"user": username}, 200


@quart_app.post("/logout")
async def log_out() -> dict[str, None]:
    await current_session().logout()
    return {"user": None}


app = SessionMiddleware(
    quart_app,
    SECRET_KEY,
    rate_limits=[RateLimit("20/minute", paths=["/login"], name="login", on_store_error="closed")],
)
