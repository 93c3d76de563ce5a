"""What the stages of one request find out: partly for each other, partly for handlers (``scope["asgi_session"]``)."""

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .client_description import Client
from .ratelimit.base import named

if TYPE_CHECKING:
    from .cookies import CookieFormat
    from .ids import StoreKey
    from .manager import SessionManager
    from .ratelimit.base import Decision, Told
    from .record import Record
    from .session import Session
    from .tokens.base import VerifiedToken
    from .transaction import Transaction

Context = tuple[bytes | str, ...]
CredentialKind = Literal["anonymous", "cookie", "bearer-session", "bearer-jwt"]


class Verdict(NamedTuple):
    """How the request's credential was judged."""

    tier: Literal["quick", "full"]
    """``"quick"``: without I/O. ``"full"``: the store or the issuer's keys were asked."""
    cached: bool
    """Whether an earlier judgement was still good."""
    reason: str
    """Stable and of few values. Accepted: ``"valid"``; after a full validation of what was known before, why it was due:
    ``"context"`` (another network, user agent or device), ``"stale"`` (too long ago), ``"invalidated"`` (it changed, or news of it
    may have been missed), ``"route"``, ``"touch"``, or ``"asked"`` (the handler called ``require_fresh``). Not: ``"anonymous"``,
    ``"ambiguous"``, ``"unsigned"``, ``"absent"``, ``"unavailable"``; and where the client is another one than the session was made
    for, ``"step_up"`` or ``"revoked"``, as ``FingerprintPolicy.on_mismatch`` says."""


NOTHING_PRESENTED = Verdict("quick", False, "anonymous")


class RequestContext:
    """``scope["asgi_session"]``: what is known about the request besides its session and user. Read-only for handlers."""

    # defaults of the class, and no __init__: one is made for each request, and Python calls an __init__ by a detour through C
    credential: CredentialKind = "anonymous"
    """What the request presented and was accepted with."""
    verdict: Verdict = NOTHING_PRESENTED
    token: "VerifiedToken | None" = None
    """The verified bearer JWT."""
    claims: Any = None
    """The claims of the verified bearer JWT, read-only; None without one."""
    client_ip: str | None = None
    """The client's address behind trusted proxies; None where the server knows none (a Unix socket)."""
    _told: "Sequence[Told]" = ()
    """What becomes of ``rate_limits``, should a handler look."""
    manager: "SessionManager"
    """The sessions outside this request: list, revoke …"""

    @property
    def rate_limits(self) -> "Sequence[Decision]":
        """What each rate-limit rule that applies said."""
        return named(self._told)


class Request:
    """What the stages pass on. Lives as long as the request and is referenced by nothing that it references."""

    scope: MutableMapping[str, Any]
    public: RequestContext
    session: "Session"
    """What the handler will see. Set by the stage that decides who makes the request."""
    transaction: "Transaction"
    """The work behind it."""
    client: Client
    """Where the request comes from."""
    cookie: "CookieFormat | None" = None
    """How the session cookie is spelled here; None where the client has no use for cookies (it presented a bearer)."""
    presented: str | None = None
    """The credential as it came, not judged yet."""
    context: Context | None = None
    """What a verdict on the credential is bound to: network, user agent, accept headers, device."""
    key: "StoreKey | None" = None
    """Where its session is, once its signature was found good; None where the quick tier has accepted it."""
    escalated: str = ""
    """Why the quick tier was not enough for a session that it knows or knew, or not asked for a token."""
    fault: str = ""
    """What is wrong with a token that is refused (``TokenInvalid.reason``): for the log, no business of the client's."""

    # -- what rate-limit rules may look at (``ratelimit.base.LimitSubject``) ----------------------------------------

    client_ip: str | None = None
    """The client's address behind trusted proxies."""

    @property
    def user_id(self) -> str | None:
        """Who makes the request: issuer and subject of a token, or the user of the session. None before validation."""
        token = self.public.token
        if token is not None:
            return f"{token.issuer}\0{token.subject}"
        record = self._record()
        return record.user_id if record is not None else None

    @property
    def session_key(self) -> str | None:
        """The handle of the session; None without one, and before validation."""
        record = self._record()
        return record.key.handle if record is not None else None

    def _record(self) -> "Record | None":
        transaction: Transaction | None = getattr(self, "transaction", None)  # a rule at the edge asks before it is there
        return transaction.record if transaction is not None else None
