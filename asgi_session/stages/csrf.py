"""Does an unsafe request ride on the cookie from another site?"""

import logging

from ..context import Request
from ..csrf import SAFE_METHODS, CSRFPolicy
from .base import Rejection

log = logging.getLogger("asgi_session.csrf")

_REFUSED = Rejection(
    403,
    "Forbidden",
    "cross_site",
    "The browser says that this request comes from another site. "
    "List that site's origin in CSRFPolicy(trusted_origins=...) if it is yours.",
)


class CSRF:
    """Applies the policy to requests that came with the cookie; bearers can't be made to send theirs by another site."""

    def __init__(self, policy: CSRFPolicy) -> None:
        self._policy = policy

    def __call__(self, request: Request) -> Rejection | None:
        """See the module."""
        scope = request.scope
        if scope.get("method") in SAFE_METHODS or request.public.credential != "cookie" or not self._policy.applies_to(scope):
            return None
        if self._policy.allows(request.scope):
            return None
        log.warning("refused a cross-site %s request", request.scope.get("method", "WebSocket"))
        return _REFUSED
