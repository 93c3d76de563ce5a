"""Does an unsafe request ride on the cookie from another site?"""

from ..context import Request
from ..csrf import SAFE_METHODS, CSRFPolicy
from .base import Rejection

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
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return None  # as the policy says too; most requests end here
        if request.public.credential != "cookie" or not self._policy.applies_to(scope) or self._policy.allows(scope):
            return None
        return _REFUSED
