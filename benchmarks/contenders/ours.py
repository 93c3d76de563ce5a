"""asgi_session."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from asgi_session import JWTVerifier, RateLimit, SessionCap, SessionMiddleware
from asgi_session.cache.policy import CachePolicy
from benchmarks.contenders.site import (
    ENDLESS_LIMITS,
    NAME,
    SECRET,
    ASGIApp,
    Scope,
    Site,
    application,
    filling_session,
    no_login,
    of_nobody,
    of_session,
)

KEPT_ON_A_MISS = 16
"""Sessions that the L1 keeps where it shall always miss: fewer than are asked for in turn, so each one is loaded, kept, dropped."""


def memory(site: Site, rules: int = 0) -> ASGIApp:
    """Sessions in this process."""
    app = application(of_session, filling_session(site))
    return SessionMiddleware(app, SECRET, store="memory://", rate_limits=_limits(rules))


def redis(site: Site, rules: int = 0) -> ASGIApp:
    """Sessions in Redis, as it comes: those in use are in the L1."""
    return sessions_around(application(of_session, filling_session(site)), site, rules)


def redis_miss(site: Site, rules: int = 0) -> ASGIApp:
    """Sessions in Redis, none of which the L1 has when it is asked for."""
    return sessions_around(application(of_session, filling_session(site)), site, rules, miss=True)


def watched(site: Site) -> ASGIApp:
    """As it comes, with a rate limit; says of each session whether it came out of the L1; `/read?fresh` asks for it afresh."""
    return SessionMiddleware(application(_how, no_login), SECRET, store=site.redis_url, rate_limits=_limits(1))


def watched_token(site: Site) -> ASGIApp:
    """Bearer JWTs, as they come, with a rate limit; says of each whether it was verified before."""
    return _tokens(site, 1, read=lambda scope: f"{_of_user(scope)} {_known(scope)}")


def _how(scope: Scope) -> str | Awaitable[str]:
    if scope["query_string"]:
        return _fresh(scope)
    return f"{of_session(scope)} {_known(scope)}"


def _known(scope: Scope) -> str:
    return "cached" if scope["asgi_session"].verdict.cached else "loaded"


async def _fresh(scope: Scope) -> str:
    await scope["session"].require_fresh()
    return f"{of_session(scope)} fresh"


def login(site: Site, user: str = "", cap: int = 0) -> ASGIApp:
    """Each login is another user's, or all are of one; with a cap, each ends the oldest session once it is full."""

    async def log_in(scope: Scope) -> None:
        scope["session"].update(site.data)
        await scope["session"].login(user or f"{NAME}-{uuid4()}", keep=site.data)  # what is set after it costs a step more

    session_cap = SessionCap(cap) if cap else None
    return SessionMiddleware(application(of_session, log_in), SECRET, store=site.redis_url, session_cap=session_cap)


def sessions_around(app: ASGIApp, site: Site, rules: int = 0, *, miss: bool = False) -> ASGIApp:
    """Any application with sessions in Redis, which the L1 has, or hasn't."""
    cache = CachePolicy(max_entries=KEPT_ON_A_MISS) if miss else CachePolicy()
    return SessionMiddleware(app, SECRET, store=site.redis_url, rate_limits=_limits(rules), cache=cache)


def limit(site: Site) -> ASGIApp:
    """A rate limit and nothing else: nobody has a session."""
    return limit_around(application(of_nobody, no_login), site)


def limit_around(app: ASGIApp, site: Site) -> ASGIApp:
    """Any application with a rate limit, which is counted in Redis."""
    return SessionMiddleware(app, SECRET, store=site.redis_url, rate_limits=_limits(1))


def token(site: Site, rules: int = 0) -> ASGIApp:
    """Bearer JWTs, most of them seen a moment before."""
    return _tokens(site, rules, read=_of_user)


def token_first_sight(site: Site, rules: int = 0) -> ASGIApp:
    """Bearer JWTs, none of which was seen before."""
    return _tokens(site, rules, read=_of_user, cache_size=0)


def _tokens(site: Site, rules: int, *, read: Callable[[Scope], str], **arguments: Any) -> ASGIApp:
    verifier = JWTVerifier(site.issuer, audience=site.audience, jwks=site.jwks, algorithms=("RS256",), **arguments)
    app = application(read, no_login)
    return SessionMiddleware(app, SECRET, store="memory://", bearer=verifier, rate_limits=_limits(rules))


def _of_user(scope: Scope) -> str:
    name: str = scope["user"].display_name
    return name


def _limits(count: int) -> list[RateLimit]:
    """The first by address, the others by user or session: each kind of key that there is."""
    return [RateLimit(limit, key=key) for limit, key in zip(ENDLESS_LIMITS[:count], ("ip", "session", "user"), strict=False)]
