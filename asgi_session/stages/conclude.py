"""What the validating stages conclude: who makes the request, and with which session."""

from ..context import Request, Verdict
from ..engine import SessionEngine
from ..ids import StoreKey
from ..principal import LOGGED_IN, Principal, stranger
from ..record import Record
from ..snapshot import Snapshot
from ..tokens.base import VerifiedToken
from ..transaction import loaded_session, new_session

NO_SESSION = "This request is authenticated by a token, which has no session. Keep its data under the token's subject instead."


def anonymous(request: Request, engine: SessionEngine, verdict: Verdict) -> None:
    """Nobody known."""
    presented = request.presented if request.cookie is not None else None  # so that a logout can tell the client to forget it
    request.public.credential = "anonymous"
    request.public.verdict = verdict
    request.session, request.transaction = new_session(engine, request.client, presented)
    request.scope["user"] = request.scope["auth"] = stranger(request.session)


def without_session(request: Request, engine: SessionEngine, verdict: Verdict, key: StoreKey, *, unread: bool = False) -> None:
    """Nobody known, although the client presents what we signed: its session is absent, or the store can't tell (``unread``)."""
    anonymous(request, engine, verdict)
    request.transaction.stand_beside(key, unread=unread)


def session(request: Request, engine: SessionEngine, snapshot: Snapshot, principal: Principal | None, verdict: Verdict) -> None:
    """A live session, of a user or of a visitor."""
    request.public.verdict = verdict
    assert request.presented is not None
    request.session, transaction = loaded_session(engine, request.client, request.presented, snapshot)
    request.transaction = transaction
    transaction.public = request.public
    if principal is not None:
        request.scope["user"], request.scope["auth"] = principal, LOGGED_IN
    else:
        request.scope["user"] = request.scope["auth"] = stranger(request.session)


def principal_of(record: Record) -> Principal | None:
    """Who logged in to a session; None while it is a visitor's."""
    return Principal(record.user_id) if record.user_id is not None else None


def token(request: Request, engine: SessionEngine, verified: VerifiedToken, verdict: Verdict) -> None:
    """A verified JWT. Its session is empty and stays so."""
    public = request.public
    public.verdict, public.token, public.claims = verdict, verified, verified.claims
    request.session, transaction = new_session(engine, request.client)
    request.transaction = transaction
    transaction.closed, transaction.ends_at = NO_SESSION, verified.expires_at
    request.scope["user"], request.scope["auth"] = verified.seen_as
