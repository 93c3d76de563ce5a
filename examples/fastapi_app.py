"""FastAPI: the session, the user and roles as dependencies, documented in OpenAPI with cookie and bearer.

Run it, and look at http://127.0.0.1:8000/docs:

    uvicorn examples.fastapi_app:app

Try it:

    curl -b jar -c jar http://127.0.0.1:8000/cart
    curl -b jar -c jar -X PUT http://127.0.0.1:8000/cart/apples?amount=3
    curl -b jar -c jar http://127.0.0.1:8000/orders                                           # 401
    curl -b jar -c jar -d username=ada -d password=lovelace http://127.0.0.1:8000/login
    curl -b jar -c jar -X POST http://127.0.0.1:8000/orders
    curl -b jar -c jar http://127.0.0.1:8000/orders
    curl -b jar -c jar http://127.0.0.1:8000/admin/orders                                     # 403
    curl -b jar -c jar -d username=grace -d password=hopper http://127.0.0.1:8000/login
    curl -b jar -c jar http://127.0.0.1:8000/admin/orders
    curl -b jar -c jar -X POST http://127.0.0.1:8000/logout

A client without cookies logs in at /token and sends what it gets as "Authorization: Bearer ...".
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import BaseModel

from asgi_session import RateLimit, Session, SessionMiddleware
from asgi_session.challenges import insufficient_scope, no_credentials

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32)  # a random one ends all sessions at each start


@dataclass(frozen=True)
class User:
    """A row of an example's table of users; a real one keeps a password hash."""

    name: str
    password: str
    roles: frozenset[str] = frozenset()


USERS = {user.name: user for user in (User("ada", "lovelace"), User("grace", "hopper", frozenset({"admin"})))}
ORDERS: dict[str, list[dict[str, int]]] = {}


# -- what handlers depend on ------------------------------------------------------------------------------------------------


def current_session(request: Request) -> Session:
    """The session, of a visitor or of a user."""
    session: Session = request.scope["session"]
    return session


CurrentSession = Annotated[Session, Depends(current_session)]

COOKIE = APIKeyCookie(
    name="__Host-session", scheme_name="cookie", auto_error=False, description="On plain http to your own machine: `session`."
)
BEARER = HTTPBearer(scheme_name="bearer", auto_error=False, description="A session id, as /token gives it.")


def current_user(
    session: CurrentSession,
    _cookie: Annotated[str | None, Security(COOKIE)],
    _bearer: Annotated[object, Security(BEARER)],
) -> User:
    """The user who is logged in, else 401. The schemes only document: the middleware has judged the credential already."""
    user = USERS.get(session.user_id or "")
    if user is None:
        raise HTTPException(401, "Log in first.", {"WWW-Authenticate": no_credentials()})
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def role(name: str) -> Callable[[User], User]:
    """A dependency that lets only users with this role pass."""

    def has_role(user: CurrentUser) -> User:
        if name not in user.roles:
            raise HTTPException(403, f"This needs the role {name!r}.", {"WWW-Authenticate": insufficient_scope(f"role:{name}")})
        return user

    return has_role


class Credentials(BaseModel):
    """The fields of the login form."""

    username: str
    password: str


def checked_user(credentials: Annotated[Credentials, Form()]) -> User:
    """The user whose password was given, else 401."""
    user = USERS.get(credentials.username)
    if user is None or not secrets.compare_digest(user.password.encode(), credentials.password.encode()):
        raise HTTPException(401, "Unknown user, or wrong password.")
    return user


CheckedUser = Annotated[User, Depends(checked_user)]

# -- routes -----------------------------------------------------------------------------------------------------------------

api = FastAPI(title="A shop")


@api.get("/cart")
async def show_cart(session: CurrentSession) -> dict[str, int]:
    cart: dict[str, int] = session.get("cart", {})
    return cart


@api.put("/cart/{article}")
async def put_into_cart(article: str, session: CurrentSession, amount: int = 1) -> dict[str, int]:
    cart: dict[str, int] = session.setdefault("cart", {})
    cart[article] = amount  # a change inside a value: saved all the same
    return cart


@api.post("/login")
async def log_in(user: CheckedUser, session: CurrentSession) -> dict[str, str]:
    await session.login(user.name, keep=["cart"])
    return {"user": user.name}


@api.post("/token")
async def log_in_without_cookies(user: CheckedUser, request: Request) -> dict[str, str]:
    """Log in for a client that keeps no cookies: it sends the session's id as its bearer."""
    created = await request.scope["asgi_session"].manager.create(user.name, lifetime=3600)
    return {"access_token": created.credential, "token_type": "bearer"}


@api.post("/logout")
async def log_out(session: CurrentSession) -> None:
    await session.logout()


@api.post("/orders")
async def order(user: CurrentUser, session: CurrentSession) -> dict[str, int]:
    """Order what is in the cart, and empty it."""
    cart: dict[str, int] = session.pop("cart", {})
    ORDERS.setdefault(user.name, []).append(cart)
    return cart


@api.get("/orders")
async def list_orders(user: CurrentUser) -> list[dict[str, int]]:
    return ORDERS.get(user.name, [])


@api.get("/admin/orders", dependencies=[Depends(role("admin"))])
async def list_all_orders() -> dict[str, list[dict[str, int]]]:
    return ORDERS


api.add_middleware(
    SessionMiddleware,
    secret_key=SECRET_KEY,
    rate_limits=[RateLimit("20/minute", paths=["/login", "/token"], name="login", on_store_error="closed")],
)
app = api
