"""What every application under measurement is given, and what it answers. Needs the standard library only."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
"""Each framework has types of its own for these three."""

NAME = "ann"
"""Who asks, in every session and token."""
DATA: dict[str, Any] = {
    "name": NAME,
    "locale": "de-DE",
    "theme": "dark",
    "cart": [{"sku": f"A-{number:05}", "count": number, "price": 19.99} for number in range(1, 5)],
    "seen": [f"/products/{number}" for number in range(1, 5)],
}
"""What a session holds: about 300 bytes of JSON."""
SECRET = "a-secret-of-the-benchmarks-that-is-long-enough-for-every-library"
ENDLESS_LIMITS = ("1000000000/hour", "900000000/minute", "800000000/second")
"""Rate limits that are counted and never reached."""
DAY = 24 * 3600

ANSWER = NAME.encode()


@dataclass(frozen=True)
class Site:
    """Where an application finds its Redis and its issuer's keys."""

    redis_url: str = ""
    folder: str = ""
    """For files of its own."""
    issuer: str = ""
    audience: str = ""
    jwks: Mapping[str, Any] = field(default_factory=dict)
    tokens: Sequence[str] = ()
    """The tokens that will be presented; for the floor, which prepares everything but the signature's verification."""
    size: int = 0
    """Bytes of what each session holds, keys and values as JSON; 0 for `DATA`."""

    @property
    def data(self) -> dict[str, Any]:
        """What each session holds: the name, and texts of some 50 bytes where there is a size to reach."""
        if not self.size:
            return dict(DATA)
        room = self.size - len(f'name"{NAME}"more[]')
        count = max(1, room // 50)
        short, rest = divmod(room - 3 * count + 1, count)  # two quotes each, and a comma between
        return {"name": NAME, "more": ["x" * (short + (number < rest)) for number in range(count)]}


async def answer(send: Send, body: bytes = ANSWER, status: int = 200) -> None:
    """The smallest response."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def application(read: Callable[[Scope], str | Awaitable[str]], login: Callable[[Scope], Awaitable[None] | None]) -> ASGIApp:
    """An application without a framework: `read` says who asks, `login` begins a session; either may be a coroutine function."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await accept_lifespan(receive, send)
        if scope["path"] == "/read":
            said = read(scope)
            name = said if isinstance(said, str) else await said
            return await answer(send, name.encode())
        done = login(scope)
        if done is not None:
            await done
        return await answer(send)

    return app


def of_session(scope: Scope) -> str:
    """Who asks, where the session is a plain dictionary in the scope."""
    name: str = scope["session"]["name"]
    return name


def filling_session(site: Site) -> Callable[[Scope], None]:
    """A login, where the session is a plain dictionary in the scope."""

    def login(scope: Scope) -> None:
        scope["session"].update(site.data)

    return login


def of_nobody(scope: Scope) -> str:
    """Who asks, where nothing is looked at."""
    return NAME


def no_login(scope: Scope) -> None:
    """A login where there are no sessions."""


async def accept_lifespan(receive: Receive, send: Send) -> None:
    """Take part in the lifespan without doing anything."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def bearer_of(scope: Scope) -> str:
    """The bearer token; for libraries that only verify."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            token: str = value[7:].decode("ascii")
            return token
    raise LookupError("No Authorization header.")
