"""``SessionMiddleware``: the whole package behind Starlette's own constructor.

Read ``__call__`` for what happens to a request, ``stages/`` for each step of it, ``lifespan.py`` for start and stop.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from .cache.policy import CachePolicy, ValidationPolicy
from .choices import Choices
from .client_address import TrustedProxies
from .context import Request, RequestContext
from .cookies import SameSite
from .csrf import CSRFPolicy
from .exceptions import Problem, StoreError
from .lifespan import Lifespan
from .manager import SessionManager
from .ratelimit.rules import FailureBudget, RateLimit
from .session_cap import SessionCap
from .settings import SecretKeys, SessionSettings
from .stages.base import Receive, Rejection, Send
from .stages.commit import Commit
from .stages.full import OnStoreError
from .stages.guard import SocketEnded, SocketGuard
from .stages.refusals import tell
from .stores.base import SessionStore
from .tokens.base import TokenVerifier
from .wiring import wire

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Scope = MutableMapping[str, Any]


class SessionMiddleware:
    """Server-side sessions, bearer tokens and rate limits for any ASGI app.

    Starlette's arguments keep their names, order and meaning; ``docs/configuration.md`` explains all of them. The constructor
    opens nothing: the lifespan does, or the first request where the server sends none.

    Raises:
        ConfigurationError: from ``initialize``, with every mistake at once.
    """

    def __init__(
        self,
        app: ASGIApp,
        secret_key: SecretKeys,
        session_cookie: str | None = None,
        max_age: int | None = 14 * 24 * 60 * 60,
        path: str = "/",
        same_site: SameSite = "lax",
        https_only: bool | None = None,
        domain: str | None = None,
        partitioned: bool = False,
        *,
        store: SessionStore | str | None = None,
        idle_timeout: float | None = None,
        absolute_timeout: float = 30 * 24 * 60 * 60,
        session_cap: SessionCap | None = None,
        bearer: TokenVerifier | Sequence[TokenVerifier] | None = (),
        rate_limits: RateLimit | Sequence[RateLimit] | None = (),
        failed_credentials: FailureBudget | None = FailureBudget(),  # noqa: B008  # a frozen value
        csrf: CSRFPolicy = CSRFPolicy(),  # noqa: B008  # a frozen value
        validation: ValidationPolicy = ValidationPolicy(),  # noqa: B008  # a frozen value
        cache: CachePolicy = CachePolicy(),  # noqa: B008  # a frozen value
        trusted_proxies: TrustedProxies | str | Sequence[str] | None = (),
        on_store_error: OnStoreError = "reject",
    ) -> None:
        self.app = app
        settings = SessionSettings(
            secret_key,
            session_cookie=session_cookie,
            max_age=max_age,
            path=path,
            same_site=same_site,
            https_only=https_only,
            domain=domain,
            partitioned=partitioned,
            store=store,
            idle_timeout=idle_timeout,
            absolute_timeout=absolute_timeout,
            session_cap=session_cap,
        )
        choices = Choices(
            bearer=bearer,
            rate_limits=rate_limits,
            failed_credentials=failed_credentials,
            csrf=csrf,
            cache=cache,
            validation=validation,
            trusted_proxies=trusted_proxies,
            on_store_error=on_store_error,
        )
        wired = wire(settings, choices)
        self._engine = wired.engine
        self._stages = tuple(stage.__call__ for stage in wired.stages)  # methods: Python calls an object by a detour through C
        self._lifespan = Lifespan(wired.parts, (*_problems_of(app), *wired.problems))
        self.manager = SessionManager.of_middleware(wired.counters)
        """The same sessions outside requests; also ``scope["asgi_session"].manager``."""

    async def initialize(self) -> None:
        """Check the configuration and open what the sessions need; the lifespan does this by itself.

        Raises:
            ConfigurationError: every mistake at once, each with what to do.
        """
        await self._lifespan.start()

    async def shutdown(self) -> None:
        """Let what is under way finish and close everything; leaves no task behind. The lifespan does this by itself."""
        await self._lifespan.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from top to bottom."""
        kind = scope["type"]
        if kind == "lifespan":
            return await self._lifespan.run(self.app, scope, receive, send)
        if kind not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if not self._lifespan.is_started():
            await self._lifespan.start()

        request = Request()
        request.scope = scope
        request.public = public = RequestContext()
        public.manager = self.manager
        for stage in self._stages:
            answer = stage(request)
            if answer is None:
                continue
            rejection = answer if isinstance(answer, Rejection) else await answer
            if rejection is not None:
                tell(request, rejection)
                return await rejection.send(scope, receive, send)

        scope["session"] = request.session
        scope["asgi_session"] = request.public
        commit = Commit()
        commit.engine, commit.request, commit.pass_on = self._engine, request, send
        try:
            if kind == "http":
                await self.app(scope, receive, commit.send)
            else:
                await self._socket(request, receive, send, commit)
        except StoreError as error:  # a login, logout or save that the handler did not shield from an outage
            if not await commit.answer_for(error):
                raise
            return None
        if commit.is_due():
            await commit.finish()
        return None

    async def _socket(self, request: Request, receive: Receive, send: Send, commit: Commit) -> None:
        """A WebSocket, which ends with its session."""
        guard = SocketGuard(request, self._engine.watches, receive, send, commit)
        try:
            await self.app(request.scope, guard.receive, guard.send)
        except SocketEnded:
            pass  # how a loop that only sends ends with its session
        finally:
            await guard.leave()


def _problems_of(app: object) -> list[Problem]:
    return [] if callable(app) else [Problem("app", "can't be called.", "Pass the ASGI application itself.")]
