"""Is this client over its quota, or over its budget of failed credentials? Only the connection is known; nothing was spent on it.

The budget keeps a memory of its own of clients that have failed at all, so that everybody else pays nothing for it. Beyond the
budget, a credential that proves itself without I/O goes on: many people may share the address with whoever used it up.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ..client_address import NAME_THE_CLIENT, normal_address
from ..context import Request
from ..ratelimit.base import Permit, Permits, RateLimiter, Told, admitted, named
from ..ratelimit.headers import refusal
from ..ratelimit.partitions import Partitions, RulePermits
from ..ratelimit.rules import FailureBudget, RateLimit
from .base import Answer, Rejection

log = logging.getLogger("asgi_session.ratelimit")

REMEMBERED_FAILURES = 10_000
"""Clients that failed lately; with more of them, those that failed longest ago are forgotten."""


class EdgeLimit:
    """Rules keyed by the connection, and the budget."""

    def __init__(
        self,
        limiter: RateLimiter,
        partitions: Partitions,
        rules: Sequence[RateLimit],
        budget: FailureBudget | None,
        is_proven: Callable[[Request], bool],
    ) -> None:
        """``is_proven`` tells credentials that nobody can have made up: their owners don't pay for their neighbours' tries."""
        self._is_proven = is_proven
        self._limiter = limiter
        self._partitions = partitions
        self._permits = RulePermits(partitions, [rule for rule in rules if rule.stage == "edge"])
        self._has_rules = bool(self._permits.rules)
        self._budget = budget
        self._failed: OrderedDict[str, None] = OrderedDict()
        self._looks_for_proxies = True

    def __call__(self, request: Request) -> Answer:
        """See the module."""
        if not self._has_rules and not self._failed:
            return None
        permits = self._permits.of(request)
        hidden = 0
        if self._failed and self._budget is not None and request.presented is not None:
            partition = self._partitions.of_address(request.client_ip)
            if partition in self._failed and not self._is_proven(request):
                permits = Permits((*permits, self._budget.test(partition)))
                hidden = len(self._budget.policy.quotas)
        if not permits:
            return None
        decisions = self._limiter.acquire_now(permits)
        if decisions is None:
            return self._ask(request, permits, hidden)
        return self._answer(request, decisions, hidden)

    async def _ask(self, request: Request, permits: Sequence[Permit], hidden: int) -> Rejection | None:
        return self._answer(request, await self._limiter.acquire(permits), hidden)

    def _answer(self, request: Request, decisions: Sequence[Told], hidden: int) -> Rejection | None:
        """The budget, last, is nobody's business until it is used up."""
        rules = decisions[: len(decisions) - hidden] if hidden else decisions
        request.public._told = rules
        if admitted(decisions):
            return None
        if self._looks_for_proxies:
            self._look_for_proxy(request)
        return too_many(rules if admitted(decisions[len(rules) :]) else decisions)

    def _look_for_proxy(self, request: Request) -> None:
        """Says once where many clients may look like one: the peer passes on whom it speaks for, and is not believed."""
        scope = request.scope
        peer = scope["client"][0] if scope.get("client") else None
        if request.client_ip != (None if peer is None else normal_address(peer)):
            return
        if any(name in NAME_THE_CLIENT for name, _ in scope["headers"]):
            self._looks_for_proxies = False
            log.warning(
                "a rate limit refused %s, which sends X-Forwarded-For or Forwarded: if this is a proxy of yours, all its users "
                "count as one client; name it in trusted_proxies",
                "a client at the Unix socket" if peer is None else peer,
            )

    async def charge(self, request: Request) -> None:
        """A credential of this client turned out bad."""
        if self._budget is None:
            return
        partition = self._partitions.of_address(request.client_ip)
        self._failed[partition] = None
        self._failed.move_to_end(partition)
        if len(self._failed) > REMEMBERED_FAILURES:
            self._failed.popitem(last=False)
        await self._limiter.acquire([self._budget.charge(partition)])


def too_many(decisions: Sequence[Told]) -> Rejection:
    """429 with what the client may do when; 503 where it is refused only because nobody can count."""
    answer = refusal(named(decisions))
    title = "Too Many Requests" if answer.status == 429 else "Service Unavailable"
    code = "quota_exceeded" if answer.status == 429 else "unavailable"
    return Rejection(answer.status, title, code, headers=answer.headers, body=answer.body)
