"""A site in a few lines: handlers by path behind the middleware, and a browser to visit it with."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

from asgi_session import SessionMiddleware
from asgi_session.stores.memory import MemoryStore
from tests.support.asgi import App, Headers, Response, Scope, exchange, http_scope, respond
from tests.support.jar import CookieJar

SECRET = "a secret of the tests that is as long as a real one should be"
COOKIE = "__Host-session"

Handler = Callable[[Scope], Any]


def read(scope: Scope) -> Any:
    """What the session holds."""
    return dict(scope["session"])


def count(scope: Scope) -> Any:
    """Write something: one more visit."""
    session = scope["session"]
    session["visits"] = session.get("visits", 0) + 1
    return session["visits"]


async def login(scope: Scope) -> Any:
    """Log in whom the query names, alice if nobody."""
    await scope["session"].login(scope["query_string"].decode("latin-1") or "alice")
    return scope["session"].user_id


async def logout(scope: Scope) -> Any:
    """Log out."""
    await scope["session"].logout()


def who(scope: Scope) -> Any:
    """Who is asking, and how that was found out."""
    user, known = scope["user"], scope["asgi_session"]
    return {
        "user": user.identity if user.is_authenticated else None,
        "scopes": list(scope["auth"].scopes),
        "credential": known.credential,
        "reason": known.verdict.reason,
    }


def ignore(scope: Scope) -> Any:
    """Have nothing to do with the session."""
    return "ok"


SITE: Mapping[str, Handler] = {
    "/read": read,
    "/count": count,
    "/login": login,
    "/logout": logout,
    "/who": who,
    "/ignore": ignore,
}


def pages(handlers: Mapping[str, Handler] = SITE) -> App:
    """An application that answers with what its handlers return, as JSON."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        handler = handlers.get(scope["path"])
        if handler is None:
            await respond(send, "not found", status=404)
            return
        content = handler(scope)
        await respond(send, await content if isawaitable(content) else content)

    return app


def sessions(app: App | Mapping[str, Handler] = SITE, **options: Any) -> SessionMiddleware:
    """The middleware around an application or its handlers; in memory where no store is given."""
    options.setdefault("store", MemoryStore())
    inner = pages(app) if isinstance(app, Mapping) else app
    return SessionMiddleware(inner, options.pop("secret_key", SECRET), **options)


class Browser:
    """Visits a site, and keeps its cookies as browsers do."""

    def __init__(self, app: App, *, scheme: str = "https", host: str = "app.example", headers: Headers = ()) -> None:
        self.app = app
        self.jar = CookieJar()
        self._scheme = scheme
        self._host = host
        self._headers = tuple(headers)

    @property
    def cookie(self) -> str:
        """Name and value of its only cookie, as it would be sent."""
        (cookie,) = self.jar
        return f"{cookie.name}={cookie.value}"

    @property
    def credential(self) -> str:
        """The value of its only cookie."""
        return self.cookie.partition("=")[2]

    async def get(self, target: str, **parts: Any) -> Response:
        return await self.request("GET", target, **parts)

    async def post(self, target: str, **parts: Any) -> Response:
        return await self.request("POST", target, **parts)

    async def request(self, method: str, target: str, *, headers: Headers = (), cookie: str | None = None) -> Response:
        """A request of the site's own pages; `cookie` in the place of what the jar holds."""
        path, _, query = target.partition("?")
        response = await exchange(self.app, self.scope(method, path, headers=headers, cookie=cookie, query=query))
        for line in response.all("set-cookie"):
            assert self.jar.take(line, self._url(path)), f"a browser would ignore {line!r}"
        return response

    def scope(self, method: str, path: str, *, headers: Headers = (), cookie: str | None = None, query: str = "") -> Scope:
        """What the server would make of a request."""
        sent = cookie if cookie is not None else self.jar.header_for(self._url(path))
        lines = [*self._headers, *headers, *([("cookie", sent)] if sent else [])]
        return http_scope(method, path, headers=lines, scheme=self._scheme, host=self._host, query=query)

    def _url(self, path: str) -> str:
        return f"{self._scheme}://{self._host}{path}"


@asynccontextmanager
async def visiting(middleware: SessionMiddleware, **browser: Any) -> AsyncIterator[Browser]:
    """A browser at a site that is up; it is shut down at the end."""
    await middleware.initialize()
    try:
        yield Browser(middleware, **browser)
    finally:
        await middleware.shutdown()


def cookies_named(response: Response, name: str = COOKIE) -> list[str]:
    """The Set-Cookie lines of a response for one cookie."""
    return [line for line in response.all("set-cookie") if line.startswith(f"{name}=")]


def bearer(credential: str) -> Iterable[tuple[str, str]]:
    """The headers of a client without cookies."""
    return (("authorization", f"Bearer {credential}"),)
