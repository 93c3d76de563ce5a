"""An API for bearer tokens of Keycloak (or another OpenID provider): verified here, without asking the provider.

Run it with your realm as the issuer, and as audience the name that the tokens carry for this API:

    export OIDC_ISSUER=https://keycloak.example.com/realms/shop API_AUDIENCE=notes
    uvicorn --factory examples.bearer_api:create_app

Try it with an access token of the realm ("..."):

    curl http://127.0.0.1:8000/me                                                             # 401
    curl -H "Authorization: Bearer ..." http://127.0.0.1:8000/me
    curl -H "Authorization: Bearer ..." http://127.0.0.1:8000/notes
    curl -H "Authorization: Bearer ..." -d text=milk http://127.0.0.1:8000/notes

/notes needs the realm role "reader", a POST there the client role "writer" of the client "notes".

If every token is refused for its audience: Keycloak names this API in "aud" only where it is told to. In its console, open the
client that gets the tokens (not this API's): Client scopes > <client>-dedicated > Configure a new mapper > Audience; write "notes"
under "Included Custom Audience", or choose the client "notes" above it, and leave "Add to access token" on. Users with a role of
the client "notes" have it in their tokens without that.
"""

import os
import secrets
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_session import JWTVerifier, RateLimit, SessionMiddleware
from asgi_session.tokens import KeyPolicy

NOTES: dict[tuple[str, str], list[str]] = {}


def user_key(request: Request) -> tuple[str, str]:
    """Issuer and subject: only the pair names a user."""
    return request.user.issuer, request.user.identity


@requires("authenticated", status_code=401)
async def me(request: Request) -> JSONResponse:
    return JSONResponse({"name": request.user.display_name, "subject": request.user.identity, "may": list(request.auth.scopes)})


@requires("role:reader")
async def list_notes(request: Request) -> JSONResponse:
    return JSONResponse(NOTES.get(user_key(request), []))


@requires("role:notes:writer")
async def add_note(request: Request) -> JSONResponse:
    async with request.form() as form:
        NOTES.setdefault(user_key(request), []).append(str(form.get("text", ""))[:200])
    return JSONResponse(NOTES[user_key(request)], 201)


def create_app(issuer: str | None = None, audience: str | None = None) -> Starlette:
    """The API for one issuer; both arguments default to the environment."""
    issuer = issuer or os.environ["OIDC_ISSUER"]
    on_this_machine = urlsplit(issuer).hostname in ("localhost", "127.0.0.1")
    verifier = JWTVerifier(issuer, audience=audience or os.environ["API_AUDIENCE"], keys=KeyPolicy(insecure_http=on_this_machine))
    sessions = Middleware(
        SessionMiddleware,
        os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32),
        bearer=verifier,
        rate_limits=[RateLimit("600/minute", name="clients"), RateLimit("100/minute", key="user", name="users")],
    )
    return Starlette(
        routes=[
            Route("/me", me),
            Route("/notes", list_notes),
            Route("/notes", add_note, methods=["POST"]),
        ],
        middleware=[sessions],
    )
