"""Whose quota a request uses, as a name that says nothing about them.

A partition is a keyed hash (RL-04): neither a key in Redis nor anything else gives an address or a user away, and no
text that a client chooses gets into a key. What goes into the hash has its length before it, so that no two different
pairs look the same (RL-07).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

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
            kind, value = f"rule:{rule.name}", key(subject)
        else:
            kind, value = key, subject.user_id if key == "user" else subject.session_key
        return None if value is None else self.of(kind, value)

    def permits_of_address(self, rules: Iterable[RateLimit], client_ip: str | None) -> Permits:
        """What every request of an address has to ask for under rules that look at nothing else (``is_plain``)."""
        partition = self.of_address(client_ip)
        return Permits(Permit(rule.policy, partition, rule.cost) for rule in rules if isinstance(rule.cost, int))

    def permits(self, rules: Iterable[RateLimit], subject: LimitSubject) -> Permits:
        """What a request has to ask for under these rules, in their order."""
        permits: list[Permit] = []
        for rule in rules:
            if rule.applies_to(subject.scope) and (partition := self.for_rule(rule, subject)) is not None:
                permits.append(Permit(rule.policy, partition, rule.cost_for(subject)))
        return Permits(permits)
