"""Whose quota a request uses, as a name that says nothing about them.

A partition is a keyed hash (RL-04): neither a key in Redis nor anything else gives an address or a user away, and no
text that a client chooses gets into a key. What goes into the hash has its length before it, so that no two different
pairs look the same (RL-07).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from itertools import compress
from types import MappingProxyType
from typing import Any, NamedTuple

from asgi_session.client_address import network_of
from asgi_session.ratelimit.base import LimitSubject, Permit, Permits
from asgi_session.ratelimit.rules import RateLimit

_CACHED = 4096
_LONGEST_CACHED = 256
"""Characters. A rule's function may return what a client sent, 60 kB of it: that is hashed each time, and not kept."""
_UNKNOWN_ADDRESS = ""
"""Clients without an address share one partition of their own, never that of 127.0.0.1 (RL-10)."""


class Partitions:
    """Makes partitions with one secret; all processes that share counts need the same one."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cached = lru_cache(_CACHED)(self._of)

    def of(self, kind: str, value: str) -> str:
        """The partition of a value among all values of its kind."""
        return self._cached(kind, value) if len(value) <= _LONGEST_CACHED else self._of(kind, value)

    def _of(self, kind: str, value: str) -> str:
        parts = [part.encode("utf-8", "surrogatepass") for part in (kind, value)]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return urlsafe_b64encode(hmac.digest(self._secret, message, sha256)[:16]).rstrip(b"=").decode()

    def of_address(self, client_ip: str | None) -> str:
        """The partition of a client's network, which all rules with ``key="ip"`` share."""
        return self._cached("ip", _UNKNOWN_ADDRESS if client_ip is None else network_of(client_ip))

    def for_rule(self, rule: RateLimit, subject: LimitSubject) -> str | None:
        """The partition that a rule's key means for a request; None where the rule does not apply."""
        key = rule.key
        if key == "ip":
            return self.of_address(subject.client_ip)
        if callable(key):
            kind, value = f"rule:{rule.name}", _text(key(subject), rule)
        else:
            kind, value = key, subject.user_id if key == "user" else subject.session_key
        return None if value is None else self.of(kind, value)

    def permits(self, rules: Iterable[RateLimit], subject: LimitSubject) -> Permits:
        """What a request has to ask for under these rules, in their order."""
        permits: list[Permit] = []
        for rule in rules:
            if rule.applies_to(subject.scope) and (partition := self.for_rule(rule, subject)) is not None:
                permits.append(Permit(rule.policy, partition, rule.cost_for(subject)))
        return Permits(permits)


class RulePermits:
    """What requests have to ask for under some rules: put together once for each client, where no rule calls a function."""

    def __init__(self, partitions: Partitions, rules: Iterable[RateLimit]) -> None:
        self.rules = tuple(rules)
        self._partitions = partitions
        self._calls = any(callable(rule.key) or callable(rule.cost) for rule in self.rules)
        self._conditional = any(rule.methods is not None or rule.paths is not None for rule in self.rules)
        self._by_address, self._by_user, self._by_session = (
            any(rule.key == key for rule in self.rules) for key in ("ip", "user", "session")
        )
        self._by_nothing_else = self._by_address and not (self._by_user or self._by_session or self._conditional)
        self._again = lru_cache(_CACHED)(self._put_together)

    def of(self, subject: LimitSubject) -> Permits:
        """What ``subject`` has to ask for; empty where no rule applies."""
        if self._calls:
            return self._partitions.permits(self.rules, subject)
        if self._by_nothing_else:
            return self._again(subject.client_ip)  # the usual case at the edge
        return self._again(
            subject.client_ip if self._by_address else None,
            subject.user_id if self._by_user else None,
            subject.session_key if self._by_session else None,
            tuple([rule.applies_to(subject.scope) for rule in self.rules]) if self._conditional else None,
        )

    def _put_together(
        self,
        client_ip: str | None,
        user_id: str | None = None,
        session_key: str | None = None,
        applying: tuple[bool, ...] | None = None,
    ) -> Permits:
        rules = self.rules if applying is None else compress(self.rules, applying)
        known = _Known(client_ip, user_id, session_key)
        return Permits(
            Permit(rule.policy, partition, rule.cost_for(known))
            for rule in rules
            if (partition := self._partitions.for_rule(rule, known)) is not None
        )


class _Known(NamedTuple):
    """What rules that call no function look at."""

    client_ip: str | None
    user_id: str | None
    session_key: str | None
    scope: Mapping[str, Any] = MappingProxyType({})


def _text(value: object, rule: RateLimit) -> str | None:
    """What a rule's own function returned; the number of a row is as good a key as its text.

    Raises:
        TypeError: it is anything else. Many objects have a text that differs from one request to the next, so that the rule would
            limit nobody.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    what = type(value).__name__
    raise TypeError(f"The key of the rate limit {rule.name!r} has to return a text, a whole number or None, not {what}. Use str().")
