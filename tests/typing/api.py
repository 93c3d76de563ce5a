"""The public API as its users type it. Never run: mypy and pyright read it, both strict.

What has to be an error stands with an ignore comment, which the checkers complain about once it is none any more.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, assert_type

from starlette.applications import Starlette
from starlette.datastructures import Secret
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_session import (
    CachePolicy,
    ConfigurationError,
    CSRFPolicy,
    FailureBudget,
    JWTVerifier,
    Lifetimes,
    Problem,
    RateLimit,
    Session,
    SessionManager,
    SessionMiddleware,
    SessionStore,
    StoredSession,
    StoreUnavailable,
    TokenInvalid,
    TrustedProxies,
    ValidationPolicy,
    VerifiedToken,
)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without a framework."""


async def generic(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """An application whose author does not know Starlette's aliases."""


def in_starlette() -> Starlette:
    """As a list of middlewares, and added later."""
    app = Starlette(middleware=[Middleware(SessionMiddleware, secret_key="x", store="redis://localhost")])
    app.add_middleware(SessionMiddleware, secret_key=Secret("x"), same_site="strict", https_only=True)
    return app


def around_anything(store: SessionStore, inner: ASGIApp) -> ASGIApp:
    """The middleware is an ASGI application itself."""
    one = SessionMiddleware(plain, "x")
    two = SessionMiddleware(generic, ["new", Secret("old")], "sid", 3600, "/", "lax", True, None, False)
    three = SessionMiddleware(
        inner,
        "x",
        store=store,
        idle_timeout=900,
        absolute_timeout=43_200.0,
        bearer=[JWTVerifier("https://id.example.org/realms/demo", audience="api")],
        rate_limits=[
            RateLimit("100/minute"),
            RateLimit("10/second; 1000/hour", key="user"),
            RateLimit("5/minute", key=lambda request: request.client_ip, paths=["/login"], methods=["POST"], cost=2),
        ],
        failed_credentials=FailureBudget("20/minute"),
        csrf=CSRFPolicy(trusted_origins=["https://app.example.com"]),
        cache=CachePolicy(max_entries=1000),
        validation=ValidationPolicy(full_every=30),
        trusted_proxies=["10.0.0.0/8"],
        on_store_error="anonymous",
    )
    four = SessionMiddleware(
        inner,
        "x",
        bearer=None,
        rate_limits=RateLimit("1/day", legacy_headers=True),
        trusted_proxies=TrustedProxies(header="forwarded"),
    )
    apps: list[ASGIApp] = [one, two, three, four]
    return apps[0]


def mistakes(app: ASGIApp) -> None:
    """What a checker finds before the start does."""
    SessionMiddleware(app)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    SessionMiddleware(app, "x", same_site="Lax")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SessionMiddleware(app, "x", store=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SessionMiddleware(app, "x", on_store_error="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    JWTVerifier("https://id.example.org")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def in_a_handler(scope: Scope) -> None:
    """What `scope["session"]` can do."""
    session: Session = scope["session"]
    session["cart"] = [1, 2, 3]
    values: dict[str, Any] = session
    assert_type(session.copy(), dict[str, Any])
    assert_type(session.user_id, str | None)
    assert_type(session.handle, str | None)
    assert_type(session.credential, str | None)
    assert_type(session.created_at, float | None)
    assert_type(session.expires_at, float | None)
    assert_type(session.is_new, bool)
    await session.login("alice", keep=["cart"], lifetime=600)
    await session.login(4711)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await session.save(if_unchanged=True)
    session.regenerate_id()
    await session.revoke_others()
    await session.logout()
    session |= {"more": values}


async def in_starlettes_handler(request: Request) -> None:
    """`request.session` is typed as a dictionary; whoever wants the verbs says so."""
    session = request.session
    assert isinstance(session, Session)
    await session.login(request.user.identity)


async def outside_of_requests(store: SessionStore) -> None:
    """Jobs and consoles."""
    async with SessionManager("x", store=store) as manager:
        made = await manager.create("alice", {"cart": []}, lifetime=60)
        assert_type(made, StoredSession)
        assert_type(await manager.get(made.handle), StoredSession | None)
        assert_type(await manager.list_for_user("alice"), Sequence[StoredSession])
        assert_type(await manager.destroy(made.handle), bool)
        if made.credential is not None:
            assert_type(await manager.validate(made.credential), StoredSession | None)


async def tokens(verifier: JWTVerifier, token: str) -> str:
    """Verified by hand."""
    try:
        verified = await verifier.verify(token)
    except TokenInvalid as error:
        assert_type(error.reason, str)
        raise
    assert_type(verified, VerifiedToken)
    return f"{verified.issuer} {verified.subject} {verified.scopes}"


async def errors(middleware: SessionMiddleware) -> Sequence[Problem]:
    """What they carry."""
    try:
        await middleware.initialize()
    except ConfigurationError as error:
        return error.problems
    except StoreUnavailable as error:
        assert_type(error.retry_after, float)
    return []


def lifetimes() -> Lifetimes:
    """Presets."""
    return assert_type(Lifetimes.aal2(), Lifetimes)
