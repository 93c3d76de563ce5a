"""What the log says of a request that was refused: one line, for whoever watches or has to find out why (security row CS-11).

Nothing of it concerns requests that go on. What comes in floods is told at DEBUG, so that it costs no more than asking whether
somebody listens: a quota that is used up (429), and an outage (503), which its own part tells. How many of the others one address
can cause is for its rate limit and its budget of failed credentials.
The path stays out, as it may hold what opens something (``/reset/<token>``); the server's access log has it, by the same address.
"""

import logging

from ..context import Request
from .base import Rejection

log = logging.getLogger("asgi_session.refusals")

_LEVELS = {403: logging.WARNING, 429: logging.DEBUG, 503: logging.DEBUG}
"""A 403 takes a cookie of ours: an attack on its owner, or an origin that should be trusted. All others are INFO: tokens that are
over, and guesses up to the budget of failed credentials."""
_LINE = "refused: status=%(status)d code=%(code)s reason=%(reason)s method=%(method)s client=%(client)s session=%(session)s"
_NONE = "-"


def tell(request: Request, rejection: Rejection) -> None:
    """Log it; the same fields are the record's attribute ``refusal``, for formatters that write JSON."""
    level = _LEVELS.get(rejection.status, logging.INFO)
    if not log.isEnabledFor(level):
        return
    scope = request.scope
    refusal = {
        "status": rejection.status,
        "code": rejection.code,
        "reason": _plain(str(request.fault)) or ",".join(_used_up(request)) or _NONE,
        "method": _plain(scope["method"]) if scope["type"] == "http" else "WebSocket",
        "client": request.client_ip or _NONE,
        "session": request.session_key or (request.key.handle if request.key is not None else _NONE),
    }
    log.log(level, _LINE, refusal, extra={"refusal": refusal})


def _used_up(request: Request) -> list[str]:
    return [decision.name for decision in request.public.rate_limits if not decision.allowed]


def _plain(text: str) -> str:
    """One word, short, without control characters: a client may write any method (LG-03)."""
    return ascii(text[:32])[1:-1].replace(" ", "_")
