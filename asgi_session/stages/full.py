"""Do the store and the issuer's keys still agree? The only stage before the application that does I/O for the credential.

Absent, invalid and unavailable stay three answers: a cookie whose session is gone makes the request anonymous, a bearer whose
session is gone or whose token is bad is told so (401), and where nobody can tell the answer is 503 and the cookie stays (rule 1).
A session that is live is compared with its client, too (``strangers.py``).
"""

import logging
from typing import Literal

from .. import challenges
from ..cache.loader import SessionLoader
from ..context import Request, Verdict
from ..engine import SessionEngine
from ..exceptions import KeysUnavailable, StoreError, StoreUnavailable, TokenExpired, TokenInvalid
from ..ids import StoreKey
from ..tokens.issuers import Issuers
from . import conclude
from .base import Answer, Rejection, bearer_refused, unavailable
from .edge_limit import EdgeLimit
from .quick import UNKNOWN_SESSION
from .strangers import Strangers

log = logging.getLogger("asgi_session.store")

OnStoreError = Literal["reject", "anonymous"]

_VALID = Verdict("full", False, "valid")
# why the quick tier was not enough
_VALID_FOR = {"": _VALID, **{why: Verdict("full", False, why) for why in ("context", "stale", "invalidated", "route", "touch")}}
_ABSENT = Verdict("full", False, "absent")
_TURNED_AWAY = {"step_up": Verdict("full", False, "step_up"), "revoke": Verdict("full", False, "revoked")}
_UNAVAILABLE = Verdict("full", False, "unavailable")
_EXPIRED_TOKEN = bearer_refused(401, "Unauthorized", "invalid_token", challenges.invalid_token("The token has expired."))
_STEP_UP = bearer_refused(
    401, "Unauthorized", "step_up", challenges.insufficient_user_authentication("The session was made for another client. Log in.")
)
_BAD_TOKEN = bearer_refused(401, "Unauthorized", "invalid_token", challenges.invalid_token("The token is not valid."))


class Full:
    """Loads the session, or verifies the token."""

    def __init__(
        self,
        engine: SessionEngine,
        issuers: Issuers | None,
        edge: EdgeLimit,
        loader: SessionLoader,
        on_store_error: OnStoreError,
    ) -> None:
        self._engine = engine
        self._loader = loader
        self._issuers = issuers
        self._edge = edge
        self._on_store_error = on_store_error
        self._strangers = Strangers(engine.fingerprints) if engine.fingerprints is not None else None

    def __call__(self, request: Request) -> Answer:
        """See the module."""
        if request.key is not None:
            return self._session(request, request.key)
        if request.public.credential == "bearer-jwt" and request.public.token is None:
            return self._token(request)
        return None

    async def _session(self, request: Request, key: StoreKey) -> Rejection | None:
        presented = request.presented or ""
        try:
            snapshot = await self._loader.load(key, presented)
        except StoreError as error:
            return self._store_failed(request, key, error)
        if snapshot is None:
            return self._without_session(request, key, _ABSENT, UNKNOWN_SESSION)
        if self._strangers is not None:
            action = self._strangers.look(request, snapshot.record)
            if action is not None:
                return await self._turn_away(request, key, action)
        self._loader.trust(presented, snapshot, request.context)
        conclude.session(request, self._engine, snapshot, conclude.principal_of(snapshot.record), _VALID_FOR[request.escalated])
        return None

    def _without_session(self, request: Request, key: StoreKey, verdict: Verdict, for_bearer: Rejection) -> Rejection | None:
        if request.cookie is None:
            return for_bearer
        conclude.without_session(request, self._engine, verdict, key)
        return None

    async def _turn_away(self, request: Request, key: StoreKey, action: Literal["step_up", "revoke"]) -> Rejection | None:
        """The session is live, and not for this client."""
        if action == "revoke":
            try:
                await self._engine.end(key)
            except StoreError as error:
                return self._store_failed(request, key, error)
        return self._without_session(request, key, _TURNED_AWAY[action], _STEP_UP if action == "step_up" else UNKNOWN_SESSION)

    def _store_failed(self, request: Request, key: StoreKey, error: StoreError) -> Rejection | None:
        log.warning("a session could not be loaded: %s", error)
        if self._on_store_error == "anonymous" and request.public.credential == "cookie":
            conclude.without_session(request, self._engine, _UNAVAILABLE, key, unread=True)
            return None
        return unavailable("The session store", error.retry_after if isinstance(error, StoreUnavailable) else 1.0)

    async def _token(self, request: Request) -> Rejection | None:
        if self._issuers is None or request.presented is None:
            return _BAD_TOKEN
        again = request.escalated or self._issuers.why_again(request.presented, request.context)
        try:
            verified = await self._issuers.verify(request.presented, request.context)
        except TokenExpired as error:
            request.fault = error.reason
            return _EXPIRED_TOKEN  # its signature was right: nobody is guessing, and a whole office may send them
        except TokenInvalid as error:
            request.fault = error.reason
            await self._edge.charge(request)
            return _BAD_TOKEN
        except KeysUnavailable as error:
            return unavailable("The issuer of the token", error.retry_after)
        conclude.token(request, self._engine, verified, _VALID_FOR.get(again, _VALID))
        return None
