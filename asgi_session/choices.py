"""What a middleware is told about requests, besides what its sessions are made of (``settings.py``); mistakes are collected too."""

from collections.abc import Sequence
from types import NoneType

from .arguments import Arguments, shown, within
from .cache.policy import CachePolicy, ValidationPolicy
from .client_address import TrustedProxies
from .csrf import CSRFPolicy
from .exceptions import Problem
from .fingerprint import FingerprintPolicy
from .ratelimit.rules import FailureBudget, RateLimit, problems_of
from .stages.full import OnStoreError
from .tokens.base import TokenVerifier


class Choices:
    """The arguments, each of its own type; where one is of another, its default stands in and a problem says so."""

    def __init__(
        self,
        *,
        bearer: TokenVerifier | Sequence[TokenVerifier] | None,
        rate_limits: RateLimit | Sequence[RateLimit] | None,
        failed_credentials: FailureBudget | None,
        csrf: CSRFPolicy,
        cache: CachePolicy,
        validation: ValidationPolicy,
        trusted_proxies: TrustedProxies | str | Sequence[str] | None,
        on_store_error: OnStoreError,
    ) -> None:
        self._given = given = Arguments()
        fix = "Pass a JWTVerifier, another object that has all of TokenVerifier, or a list of them."
        self._verifiers = given.several("bearer", bearer, TokenVerifier, fix=fix)
        fix = 'Write RateLimit("100/minute"), or a list of such.'
        self._rules = given.several("rate_limits", rate_limits, RateLimit, fix=fix)
        fix = 'Write FailureBudget("300/minute"); None allows any number.'
        budget = given.one("failed_credentials", failed_credentials, (FailureBudget, NoneType), default=None, fix=fix)
        self.failed_credentials = budget
        fix = "Pass a CSRFPolicy; with enabled=False it checks nothing, and any site may act in the name of your users."
        self.csrf = given.one("csrf", csrf, CSRFPolicy, default=CSRFPolicy(), fix=fix)
        fix = "Pass a CachePolicy; with enabled=False it caches nothing."
        self.cache = given.one("cache", cache, CachePolicy, default=CachePolicy(), fix=fix)
        fix = "Pass a ValidationPolicy."
        self.validation = given.one("validation", validation, ValidationPolicy, default=ValidationPolicy(), fix=fix)
        remembered = self.validation.fingerprint
        usable = isinstance(remembered, FingerprintPolicy) and not remembered.problems()
        self.fingerprint = remembered if usable else None
        self.proxies = self._proxies_of(trusted_proxies)
        self.on_store_error: OnStoreError = on_store_error

    @property
    def verifiers(self) -> tuple[TokenVerifier, ...]:
        """In the order in which they were given."""
        return tuple(self._verifiers.values())

    @property
    def rate_limits(self) -> tuple[RateLimit, ...]:
        """In the order in which they were given."""
        return tuple(self._rules.values())

    def _proxies_of(self, given: TrustedProxies | str | Sequence[str] | None) -> TrustedProxies:
        if isinstance(given, TrustedProxies):
            return given
        fix = 'Write a list of addresses or networks such as "10.0.0.0/8", or a TrustedProxies.'
        return TrustedProxies(self._given.several("trusted_proxies", given, str, fix=fix).values())

    def problems(self) -> list[Problem]:
        """Every mistake in these arguments."""
        found = [*self._given.problems]
        for name, verifier in self._verifiers.items():
            found += within(name, verifier.problems())
        budgets = {} if self.failed_credentials is None else {"failed_credentials": self.failed_credentials}
        found += problems_of({**self._rules, **budgets})
        found += [*self.csrf.problems(), *self.cache.problems(), *self.validation.problems(), *self.proxies.problems()]
        if self.on_store_error not in ("reject", "anonymous"):
            found.append(Problem("on_store_error", f"{shown(self.on_store_error)} is not known.", "Use 'reject' or 'anonymous'."))
        return found
