"""Is there quota for this user, session or token? Asked once it is known who makes the request."""

from collections.abc import Sequence

from ..context import Request
from ..ratelimit.base import Permit, RateLimiter, Told, admitted
from ..ratelimit.partitions import Partitions, RulePermits
from ..ratelimit.rules import RateLimit
from .base import Answer, Rejection
from .edge_limit import too_many


class IdentityLimit:
    """Rules keyed by user, session, or the application's own function."""

    def __init__(self, limiter: RateLimiter, partitions: Partitions, rules: Sequence[RateLimit]) -> None:
        self._limiter = limiter
        self._permits = RulePermits(partitions, [rule for rule in rules if rule.stage == "identity"])

    @property
    def has_rules(self) -> bool:
        """Whether the stage would ever ask for anything."""
        return bool(self._permits.rules)

    def __call__(self, request: Request) -> Answer:
        """See the module."""
        permits = self._permits.of(request)
        if not permits:
            return None
        decisions = self._limiter.acquire_now(permits)
        if decisions is None:
            return self._ask(request, permits)
        return self._answer(request, decisions)

    async def _ask(self, request: Request, permits: Sequence[Permit]) -> Rejection | None:
        return self._answer(request, await self._limiter.acquire(permits))

    def _answer(self, request: Request, decisions: Sequence[Told]) -> Rejection | None:
        request.public._told = [*request.public._told, *decisions]
        return None if admitted(decisions) else too_many(decisions)
