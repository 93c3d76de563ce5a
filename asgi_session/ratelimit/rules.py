"""What a user writes: the rules, and the budget of failed credentials."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, get_args

from limits import RateLimitItem, parse_many

from asgi_session.arguments import shown, texts, within
from asgi_session.exceptions import Problem
from asgi_session.ratelimit.base import LimitSubject, OnStoreError, Permit, Quota, QuotaPolicy, Strategy
from asgi_session.ratelimit.paths import PathPatterns

Stage = Literal["auto", "edge", "identity"]
KeyFunction = Callable[[LimitSubject], str | int | None]
CostFunction = Callable[[LimitSubject], int]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Safe without escaping in a structured-field string (RFC 9651 §3.3.3), a storage key and JSON."""
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.]+")
_KEYS = ("ip", "user", "session")
_MOST_UNITS = 1_000_000_000
_MOST_LOGGED = 10_000


@dataclass(frozen=True)
class RateLimit:
    """So many requests in so much time for each client, user, session, or whatever ``key`` says.

    ``RateLimit("100/minute")``, ``RateLimit("10/second; 1000/hour", key="user")``,
    ``RateLimit("5/minute", paths=["/login"], methods=["POST"], name="login", on_store_error="closed")``.
    All windows of one rule, and all rules of one key, are counted together: a request that one of them refuses uses up
    nothing of the others.
    """

    limit: str
    """In the notation of ``limits``: ``"100/minute"``, ``"5 per 10 second"``; several, separated by ``;``."""
    _: KW_ONLY
    key: str | KeyFunction = "ip"
    """Whose quota a request uses: ``"ip"`` (an IPv6 client is its /64 network), ``"user"``, ``"session"``, or a function of
    the request that returns a text or a whole number, or None where the rule does not apply to it."""
    name: str = ""
    """How headers and errors call it. Default: made of limit and key, ``"100-per-minute-ip"``."""
    methods: Collection[str] | None = None
    """Only these HTTP methods, in upper or lower case. GET means HEAD too, since frameworks run the same handler for it; a
    WebSocket handshake is a GET."""
    paths: Collection[str] | None = None
    """Only these: ``"/login"`` exactly, or ``"/api/*"`` with everything below. All requests that match share one quota,
    and no spelling of the path gets around it. Below a ``root_path`` or a mount, ``"/login"`` and ``"/mount/login"`` are one."""
    cost: int | CostFunction = 1
    """Units that a request uses; at least 1."""
    on_store_error: OnStoreError = "local"
    """While Redis is down: count in this process (``"local"``), let pass (``"open"``), or refuse with 503 (``"closed"``:
    right for logins and for whatever must not be guessed)."""
    strategy: Strategy = "sliding"
    """``"sliding"``: cheap, with the bound that decision 0003 states. ``"moving"``: exact, one entry a unit."""
    stage: Stage = "auto"
    """``"edge"``: before anything is validated; only the connection is known. ``"identity"``: after it. By default the
    edge for ``key="ip"``, else identity."""
    legacy_headers: bool = False
    """For clients that know only the fields of older drafts: also send ``RateLimit-Limit``, ``RateLimit-Remaining`` and
    ``RateLimit-Reset``. Of several rules that do, the one that is nearest to its end is told there."""
    policy: QuotaPolicy = field(init=False, repr=False)
    """What the storages see of it."""
    _patterns: PathPatterns | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.stage == "auto":
            self._set("stage", "edge" if self.key == "ip" else "identity")
        if self.methods is not None:
            self._set("methods", frozenset(str(method).upper() for method in texts(self.methods)))
        if self.paths is not None:
            self._set("paths", tuple(map(str, texts(self.paths))))
        self._set("_patterns", None if self.paths is None else PathPatterns(self.paths))
        items = _parse(self.limit)
        self._set("name", self.name or _default_name(items, self.key))
        quotas = _quotas(self.name, items, legacy_headers=self.legacy_headers)
        policy = QuotaPolicy(self.name, quotas, self.strategy, self.on_store_error)
        self._set("policy", policy)

    def _set(self, field_name: str, value: object) -> None:
        object.__setattr__(self, field_name, value)

    def applies_to(self, scope: Mapping[str, Any]) -> bool:
        """Whether method and path of a request are among the rule's."""
        if self.methods is not None:
            method = scope.get("method", "GET").upper()  # some servers pass on "post", and some frameworks take it for POST
            if method not in self.methods and (method != "HEAD" or "GET" not in self.methods):
                return False
        return self._patterns is None or self._patterns.match_request(scope)

    def cost_for(self, subject: LimitSubject) -> int:
        """Units that this request uses.

        Raises:
            ValueError: the rule's function returned something else than a whole number from 1 up. A cost of 0 or less
                would be a way around the limit (RL-12).
        """
        if isinstance(self.cost, int):
            return self.cost
        cost = self.cost(subject)
        if not _is_count(cost):
            raise ValueError(f"The cost of the rate limit {self.name!r} has to be a whole number from 1 up, not {cost!r}.")
        return cost

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the arguments; empty when the rule can be used."""
        found = _problems_of_policy(self.policy, self.limit)
        if not (callable(self.key) or self.key in _KEYS):
            fix = f"Use one of {', '.join(map(repr, _KEYS))}, or a function of the request."
            found.append(Problem("key", f"{self.key!r} is not known.", fix))
        elif self.stage == "edge" and self.key in _KEYS[1:]:
            fix = 'Leave stage out, or set key="ip".'
            found.append(Problem("stage", f"at the edge no {self.key} is known yet.", fix))
        found += _problem_of_choice("stage", self.stage, ("edge", "identity"))
        for method in () if self.methods is None else self.methods:
            if not re.fullmatch(r"[A-Z-]+", method):
                found.append(Problem("methods", f"{method!r} is no HTTP method.", 'Write ["GET", "POST"].'))
        for path in () if self.paths is None else self.paths:
            if not path.startswith("/") or "*" in path.removesuffix("/*"):
                fix = 'Start it with "/", and use "*" only as the end "/*".'
                found.append(Problem("paths", f"{path!r} is no path.", fix))
        for name, values in (("methods", self.methods), ("paths", self.paths)):
            if values is not None and not values:
                found.append(Problem(name, "is empty, so the rule would never apply.", "Leave it out to mean all."))
        found += _problem_of_flag("legacy_headers", self.legacy_headers)
        return found + self._problems_of_cost()

    def _problems_of_cost(self) -> list[Problem]:
        if callable(self.cost):
            return []
        if not _is_count(self.cost):
            return [Problem("cost", f"{self.cost!r} is no whole number from 1 up.", "Leave it out, or write cost=1.")]
        smallest = min((quota.limit for quota in self.policy.quotas if quota.limit > 0), default=self.cost)
        if self.cost > smallest:
            fix = f"Lower it to {smallest} at most, or raise the limit."
            return [Problem("cost", f"{self.cost} never fits into a limit of {smallest}.", fix)]
        return []


@dataclass(frozen=True)
class FailureBudget:
    """How many bad credentials one client address may send before the next is refused, if it does not prove itself without I/O.

    Tested at the edge, before any cryptography or I/O (RL-17, JW-27), and charged when a credential turns out bad. By
    default every process counts for itself, because a forged cookie has to cost no I/O at all: the budget of a host is
    then up to its number of processes as large.
    """

    limit: str = "300/minute"
    """In the notation of ``limits``. Enough for an office behind one address whose clients all go on with a token that is over, or
    with a cookie of a secret that was dropped; few enough that forged ones cost a process five signatures a second at most."""
    _: KW_ONLY
    name: str = "failed-credentials"
    shared: bool = False
    """True: counted in Redis for all processes; each test is then a round trip."""
    on_store_error: OnStoreError = "local"
    policy: QuotaPolicy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        quotas = _quotas(self.name, _parse(self.limit))
        policy = QuotaPolicy(self.name, quotas, on_store_error=self.on_store_error, shared=self.shared)
        object.__setattr__(self, "policy", policy)

    def test(self, partition: str) -> Permit:
        """The permit to ask for at the edge: there has to be room, none is used."""
        return Permit(self.policy, partition, consume=False)

    def charge(self, partition: str) -> Permit:
        """The permit to ask for when a credential was bad; a refusal means that the budget is used up already."""
        return Permit(self.policy, partition)

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the arguments; empty when the budget can be used."""
        return _problems_of_policy(self.policy, self.limit) + _problem_of_flag("shared", self.shared)


def problems_of(rules: Mapping[str, RateLimit | FailureBudget]) -> list[Problem]:
    """Everything that is wrong with a middleware's rules, by the name of its argument: each by itself, and names that two share."""
    found = [problem for name, rule in rules.items() for problem in within(name, rule.problems())]
    names = Counter(str(quota.name) for rule in rules.values() for quota in rule.policy.quotas)
    names.update(rule.name for rule in rules.values() if len(rule.policy.quotas) > 1)
    doubled = [name for name, count in names.items() if count > 1]
    return found + [
        Problem("rate_limits", f"two of them are called {name!r}.", f'Give one a name of its own: name="{name}-2".')
        for name in doubled
    ]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _parse(limit: str) -> list[RateLimitItem]:
    """Nothing at all where ``limits`` can't read it; ``problems`` says so."""
    try:
        return parse_many(limit)
    except ValueError:
        return []


def _default_name(items: Iterable[RateLimitItem], key: str | KeyFunction) -> str:
    of = key if isinstance(key, str) else getattr(key, "__name__", type(key).__name__)
    return _NOT_IN_NAME.sub("-", "-".join([f"{item.amount}-per-{_window_name(item)}" for item in items] + [of])).strip("-")


def _window_name(item: RateLimitItem) -> str:
    unit = item.GRANULARITY.name
    return unit if item.multiples == 1 else f"{item.multiples}-{unit}"


def _quotas(name: str, items: Sequence[RateLimitItem], *, legacy_headers: bool = False) -> tuple[Quota, ...]:
    """A rule's only quota has its name; of several, each has its window in the name as well."""
    names = [name if len(items) == 1 else f"{name}-{_window_name(item)}" for item in items]
    return tuple(Quota(called, item.amount, item.get_expiry(), legacy_headers) for called, item in zip(names, items, strict=True))


def _problems_of_policy(policy: QuotaPolicy, limit: str) -> list[Problem]:
    found: list[Problem] = []
    if not policy.quotas:
        found.append(Problem("limit", f"{limit!r} can't be read.", 'Write "100/minute", or "10/second; 1000/hour".'))
    for quota in policy.quotas:
        if not 1 <= quota.limit <= _MOST_UNITS or not 1 <= quota.window <= _MOST_UNITS:
            fix = f"Stay between 1 and {_MOST_UNITS:,} units and seconds."
            found.append(Problem("limit", f"{limit!r} is out of range.", fix))
        elif policy.strategy == "moving" and quota.limit > _MOST_LOGGED:
            fix = f'Use strategy="sliding", or at most {_MOST_LOGGED:,} units.'
            found.append(Problem("strategy", f'"moving" keeps {quota.limit:,} entries for each client.', fix))
    if len({quota.window for quota in policy.quotas}) < len(policy.quotas):
        found.append(Problem("limit", f"{limit!r} names one window twice.", "Keep the stricter one."))
    if not _is_name(policy.name):
        fix = "Use 1 to 64 letters, digits, dots, dashes and underscores."
        found.append(Problem("name", f"{policy.name!r} can't stand in a header.", fix))
    found += _problem_of_choice("on_store_error", policy.on_store_error, get_args(OnStoreError))
    return found + _problem_of_choice("strategy", policy.strategy, get_args(Strategy))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _problem_of_flag(name: str, value: object) -> list[Problem]:
    return [] if isinstance(value, bool) else [Problem(name, f"is {shown(value)}.", "Write True or False.")]


def _problem_of_choice(name: str, value: str, choices: tuple[str, ...]) -> list[Problem]:
    if value in choices:
        return []
    return [Problem(name, f"{value!r} is not known.", f"Use {' or '.join(map(repr, choices))}.")]
