"""Who is measured against whom: one entry for each way of use, by the name that tables and plots show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Group = Literal["floor", "session", "limit", "token", "framework", "login", "load"]


@dataclass(frozen=True)
class Contender:
    """An application under measurement."""

    name: str
    app: str
    """Module and function in `benchmarks.contenders`; the function makes the application of a `Site`."""
    group: Group
    bare: str = "bare ASGI"
    """The contender that does the same without what is measured; its cost is subtracted."""
    login: str = ""
    """The path that begins a session; empty where there are none."""
    tokens: bool = False
    """Whether its requests carry a bearer token."""
    options: Mapping[str, Any] = field(default_factory=dict)
    packages: Sequence[str] = ()
    """What is shown of versions."""
    environment: str = "bench"
    omits: str = ""
    """What it does not do and ours does, for readers of the numbers."""

    @property
    def module(self) -> str:
        """One worker process serves all contenders of a module."""
        return self.app.partition(":")[0]

    @property
    def is_ours(self) -> bool:
        """Whether it is the package under test."""
        return self.name.startswith("asgi_session")


def _ours(name: str, function: str, group: Group, **more: Any) -> Contender:
    return Contender(f"asgi_session {name}", f"ours:{function}", group, **more)


def _ours_framed(name: str, function: str, group: Group, bare: str, **more: Any) -> Contender:
    return Contender(f"asgi_session {name} under {bare.removeprefix('bare ')}", f"ours_framed:{function}", group, bare, **more)


def _rules(count: int) -> str:
    return f", {count} rule{'s' if count > 1 else ''}" if count else ""


_FLOOR = [
    Contender("bare ASGI", "bare:asgi", "floor", bare=""),
    Contender("bare FastAPI", "bare:fastapi", "floor", bare=""),
    Contender("bare Litestar", "bare:litestar", "floor", bare=""),
    Contender("bare Quart", "bare:quart", "floor", bare=""),
]
_OUR_SESSIONS = [
    _ours(f"{kind}{_rules(count)}", function, "session", login="/login", options={"rules": count})
    for kind, function in (("memory", "memory"), ("L1 hit", "redis"), ("L1 miss", "redis_miss"))
    for count in (0, 1, 3)
]
_OUR_FRAMED_SESSIONS = [
    _ours_framed(kind, function, "session", bare, login=login, options={"miss": kind == "L1 miss"})
    for function, bare, login in (
        ("litestar", "bare Litestar", "/login"),
        ("quart", "bare Quart", "/login"),
        ("fastapi_user", "bare FastAPI", "/sign-in"),
    )
    for kind in ("L1 hit", "L1 miss")
]
_OTHER_SESSIONS = [
    Contender(
        "Starlette cookie", "starlette:cookie", "session", login="/login", packages=["starlette"],
        omits="no server side: nothing can be revoked or listed, data is readable and limited to 4 KB; no rate limit",
    ),
    Contender(
        "starsessions", "starsessions:redis", "session", login="/login", packages=["starsessions"],
        omits="adopts ids that a client chose; writes at each read; last write wins; no revocation by user, no rate limit",
    ),
    Contender(
        "redsession", "redsession:redis", "session", login="/login", packages=["redsession"], environment="redsession",
        omits="writes at each read; a late request revives an ended session; no sliding expiry, no revocation, no rate limit",
    ),
    Contender(
        "Litestar sessions", "litestar:redis", "session", "bare Litestar", login="/login", packages=["litestar"],
        omits="adopts ids that a client chose; writes and sends a cookie at each read; no revocation by user, no rate limit",
    ),
    Contender(
        "quart-session", "quart_session:redis", "session", "bare Quart", login="/login", packages=["quart-session", "quart"],
        omits="asks Redis for unsigned ids; reads don't slide the expiry; last write wins; no revocation by user, no rate limit",
    ),
    Contender(
        "crudauth", "crudauth:redis", "session", "bare FastAPI", login="/sign-in", packages=["crudauth", "sqlalchemy"],
        omits="no session data; writes at each read; revokes by user, but asks Redis six times and SQL once for it",
    ),
]  # fmt: skip
_LIMITS = [
    _ours("rate limit", "limit", "limit"),
    _ours_framed("rate limit", "fastapi_limit", "limit", "bare FastAPI"),
    Contender(
        "fastapi-limiter memory", "fastapi_limiter:memory", "limit", "bare FastAPI", packages=["fastapi-limiter", "pyrate-limiter"],
        omits="one count for all clients, of this process only; no quota headers",
    ),
    Contender(
        "fastapi-limiter Redis", "fastapi_limiter:redis", "limit", "bare FastAPI", packages=["fastapi-limiter"],
        omits="one count for all clients; no quota headers",
    ),
    Contender(
        "slowapi memory", "slowapi:memory", "limit", "bare FastAPI", packages=["slowapi"],
        omits="counts in this process only; no quota headers",
    ),
    Contender(
        "slowapi Redis", "slowapi:redis", "limit", "bare FastAPI", packages=["slowapi"],
        omits="blocks the event loop while it waits for Redis; no quota headers",
    ),
    Contender(
        "slowapi Redis, headers", "slowapi:redis", "limit", "bare FastAPI", packages=["slowapi"], options={"headers": True},
        omits="blocks the event loop while it waits for Redis",
    ),
]  # fmt: skip
_TOKENS = [
    Contender("raw RS256 verify", "bare:verify", "token", tokens=True, packages=["cryptography"], omits="everything else"),
    *(
        _ours(f"{kind}{_rules(count)}", function, "token", tokens=True, options={"rules": count})
        for kind, function in (("JWT seen before", "token"), ("JWT first sight", "token_first_sight"))
        for count in (0, 1, 3)
    ),
    Contender(
        "PyJWT", "pyjwt:token", "token", tokens=True, packages=["pyjwt"],
        omits="a library: no key refresh, token type, size or nesting checks here; remembers nothing",
    ),
    Contender(
        "joserfc", "joserfc:token", "token", tokens=True, packages=["joserfc"],
        omits="a library: no key refresh, token type, size or nesting checks here; remembers nothing",
    ),
    Contender(
        "fastapi-keycloak", "fastapi_keycloak:token", "token", tokens=True, packages=["fastapi-keycloak-middleware"],
        omits="no token type check, keys never expire; remembers nothing",
    ),
]  # fmt: skip
_FRAMEWORKS = [
    Contender("asgi_session under FastAPI", "ours_framed:fastapi", "framework", "bare FastAPI", login="/login"),
    Contender("Starlette cookie under FastAPI", "starlette:fastapi", "framework", "bare FastAPI", login="/login"),
]
_LOGINS = [
    _ours("login, a user each", "login", "login", login="/login"),
    _ours("login, one user", "login", "login", login="/login", options={"user": "ann"}),
    _ours("login, one user, cap of 10", "login", "login", login="/login", options={"user": "bob", "cap": 10}),
]
_UNDER_LOAD = [_ours("watched", "watched", "load"), _ours("watched tokens", "watched_token", "load", tokens=True)]

_ALL = [_FLOOR, _OUR_SESSIONS, _OUR_FRAMED_SESSIONS, _OTHER_SESSIONS, _LIMITS, _TOKENS, _FRAMEWORKS, _LOGINS, _UNDER_LOAD]

CONTENDERS = {contender.name: contender for contenders in _ALL for contender in contenders}


def of_group(*groups: Group) -> list[Contender]:
    """The contenders of these groups, in the order of the tables."""
    return [contender for contender in CONTENDERS.values() if contender.group in groups]
