"""Plainly bad, or known to be good? Without I/O: a credential that we did not sign costs nothing more than its hash.

A session or token that was validated a moment ago is accepted from the cache, if this request comes from the same context (network,
user agent, accept headers, device): a stolen credential does not ride on its owner's verdict (design rule 9). The rest is for the
full tier.
"""

from collections.abc import Callable

from .. import challenges
from ..cache.policy import ValidationPolicy
from ..cache.sessions import Entry, SessionCache
from ..cache.touches import TouchQueue
from ..context import NOTHING_PRESENTED, Request, Verdict
from ..engine import SessionEngine
from ..ids import looks_like_credential, store_key
from ..ratelimit.paths import PathPatterns
from ..record import Record
from ..tokens.issuers import Issuers
from . import conclude
from .base import Answer, Rejection, bearer_refused
from .edge_limit import EdgeLimit

UNKNOWN_SESSION = bearer_refused(401, "Unauthorized", "invalid_token", challenges.invalid_token("The session is not valid."))
_UNSIGNED = Verdict("quick", False, "unsigned")
_VALID_BEFORE = Verdict("quick", True, "valid")
_ABSENT_BEFORE = Verdict("quick", True, "absent")


class Quick:
    """Sessions and tokens that were validated a moment ago, and the signatures of session ids."""

    def __init__(
        self,
        engine: SessionEngine,
        issuers: Issuers | None,
        edge: EdgeLimit,
        *,
        cache: SessionCache | None,
        touches: TouchQueue | None,
        validation: ValidationPolicy,
        monotonic: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._cached_token = issuers.lookup() if issuers is not None else None
        self._edge = edge
        self._cache = cache
        self._touches = touches
        self._always_full = PathPatterns(validation.always_full) if validation.always_full else None
        self._full_every = validation.full_every
        self._monotonic = monotonic

    def __call__(self, request: Request) -> Answer:
        """See the module."""
        presented = request.presented
        if presented is None:
            verdict = request.public.verdict  # "ambiguous", where two cookies of our name came
            conclude.anonymous(request, self._engine, verdict if verdict.reason != "anonymous" else NOTHING_PRESENTED)
            return None
        if request.public.credential == "bearer-jwt":
            self._token(request, presented)
            return None
        if self._cache is not None:
            now = self._monotonic()
            entry = self._cache.get(presented, now)
            if entry is not None:
                snapshot = entry.snapshot
                if now < entry.quick_until and snapshot is not None and entry.context == request.context and not self._always_full:
                    conclude.session(request, self._engine, snapshot, entry.principal, _VALID_BEFORE)  # the usual case
                    return None
                return self._known(request, entry, now)
            request.escalated = self._cache.why_missed(presented)
        session_id = self._engine.signer.unsign(presented)
        if session_id is None:
            return self._unsigned(request)
        request.key = store_key(session_id)
        return None

    def _known(self, request: Request, entry: Entry, now: float) -> Answer:
        snapshot = entry.snapshot
        if snapshot is None:
            if request.cookie is None:
                return UNKNOWN_SESSION
            conclude.without_session(request, self._engine, _ABSENT_BEFORE, entry.key)
            return None
        request.escalated = self._reason_to_ask(request, entry, snapshot.record, now)
        if request.escalated:
            request.key = entry.key
            return None
        conclude.session(request, self._engine, snapshot, entry.principal, _VALID_BEFORE)
        return None

    def _reason_to_ask(self, request: Request, entry: Entry, record: Record, now: float) -> str:
        """Why the full tier has to look again; empty where it need not."""
        if entry.context != request.context:
            return "context"
        if now >= entry.full_until:
            return "stale"
        if self._always_full is not None and self._always_full.match_request(request.scope):
            return "route"
        if now >= entry.touch_at:
            slid_at = record.read_at + (now - entry.loaded)
            if self._touches is None or self._engine.cookies.would_be_due(record, slid_at, self._engine.lifetimes.idle):
                return "touch"
            entry.touch_at = now + self._engine.lifetimes.touch_after
            entry.quick_until = min(entry.full_until, entry.touch_at)
            self._touches.add(entry.key)
        return ""

    def _token(self, request: Request, presented: str) -> None:
        if self._cached_token is None:
            return
        if self._always_full is not None and self._always_full.match_request(request.scope):
            request.escalated = "route"
            return
        token = self._cached_token(presented, request.context, self._full_every)
        if token is not None:
            conclude.token(request, self._engine, token, _VALID_BEFORE)

    async def _unsigned(self, request: Request) -> Rejection | None:
        if looks_like_credential(request.presented or ""):
            # another application's cookie of our name is nobody's attempt: whoever shares its address must not pay for it
            await self._edge.charge(request)
        if request.cookie is None:
            return UNKNOWN_SESSION
        conclude.anonymous(request, self._engine, _UNSIGNED)
        return None
