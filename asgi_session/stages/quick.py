"""Plainly bad, or known to be good? Without I/O: a credential that we did not sign costs nothing more than its hash."""

from .. import challenges
from ..context import NOTHING_PRESENTED, Request, Verdict
from ..tokens.issuers import Issuers
from ..transaction import SessionEngine
from . import accept
from .base import Answer, Rejection, bearer_refused
from .edge_limit import EdgeLimit

UNKNOWN_SESSION = bearer_refused(401, "Unauthorized", "invalid_token", challenges.invalid_token("The session is not valid."))
_UNSIGNED = Verdict("quick", False, "unsigned")
_VERIFIED_BEFORE = Verdict("quick", True, "valid")


class Quick:
    """Signatures of session ids, and tokens that were verified a moment ago."""

    def __init__(self, engine: SessionEngine, issuers: Issuers | None, edge: EdgeLimit) -> None:
        self._engine = engine
        self._issuers = issuers
        self._edge = edge

    def __call__(self, request: Request) -> Answer:
        """See the module."""
        presented = request.presented
        if presented is None:
            verdict = request.public.verdict  # "ambiguous", where two cookies of our name came
            accept.anonymous(request, self._engine, verdict if verdict.reason != "anonymous" else NOTHING_PRESENTED)
            return None
        if request.public.credential == "bearer-jwt":
            verified = self._issuers.cached(presented) if self._issuers is not None else None
            if verified is not None:
                accept.token(request, self._engine, verified, _VERIFIED_BEFORE)
            return None
        request.session_id = self._engine.signer.unsign(presented)
        if request.session_id is not None:
            return None
        return self._unsigned(request)

    async def _unsigned(self, request: Request) -> Rejection | None:
        await self._edge.charge(request)
        if request.public.credential == "bearer-session":
            return UNKNOWN_SESSION
        accept.anonymous(request, self._engine, _UNSIGNED)
        return None
