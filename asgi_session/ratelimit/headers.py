"""What the client is told: the RateLimit fields of the IETF draft, Retry-After, and the body of a refusal.

draft-ietf-httpapi-ratelimit-headers-11: both fields are Lists of Strings with parameters (RFC 9651). ``q`` and ``w`` never
change for a quota, so they are rendered once. No field names the partition: ``pk`` is left out (RL-04).
"""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from asgi_session.ratelimit.base import Decision, Quota, Told, named

Headers = list[tuple[bytes, bytes]]

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


class Refusal(NamedTuple):
    """What an answer says of the refusal: the stages know the rest of it."""

    status: int
    headers: Headers
    body: bytes
    """Problem details (RFC 9457)."""


def quota_headers(decisions: Iterable[Told]) -> Headers:
    """``RateLimit-Policy`` and ``RateLimit`` for decisions that were taken; nothing for those that an outage waved through.

    Of the quotas that ask for it (``RateLimit(legacy_headers=True)``), the one that is nearest to its end is also told as drafts
    before the eighth had it: ``RateLimit-Limit``, ``-Remaining`` and ``-Reset``.

    Args:
        decisions: in the order in which they should appear.
    """
    policies = states = b""
    legacy: list[Told] = []
    for decision in decisions:
        quota, _, remaining, reset_after, degraded = decision
        if degraded != "open":
            policy, name, told_twice = _static(quota)
            state = b"%b;r=%d;t=%d" % (name, remaining, ceil(reset_after))
            policies = policies + b", " + policy if policies else policy
            states = states + b", " + state if states else state
            if told_twice:
                legacy.append(decision)
    if not policies:
        return []
    headers = [(b"ratelimit-policy", policies), (b"ratelimit", states)]
    if legacy:
        tightest = min(named(legacy), key=lambda decision: (decision.allowed, decision.remaining))
        headers += [
            (b"ratelimit-limit", b"%d" % tightest.quota.limit),
            (b"ratelimit-remaining", b"%d" % tightest.remaining),
            (b"ratelimit-reset", b"%d" % ceil(tightest.reset_after)),
        ]
    return headers


def retry_after(decisions: Sequence[Decision]) -> int:
    """Whole seconds until the same request can succeed: at least 1, and never before the ``t`` of a violated quota (RL-03)."""
    return max([1, *(ceil(decision.reset_after) for decision in decisions if not decision.allowed)])


def refusal(decisions: Sequence[Decision]) -> Refusal:
    """The answer to a request that was not admitted: 429; or 503 where it is refused only because nobody can count."""
    violated = [decision for decision in decisions if not decision.allowed]
    closed = all(decision.degraded == "closed" for decision in violated)
    status = 503 if closed else 429
    body = _problem(status, tuple([decision.quota.name for decision in violated]))
    return Refusal(status, [(b"retry-after", b"%d" % retry_after(decisions)), *([] if closed else quota_headers(decisions))], body)


@lru_cache(1024)
def _static(quota: Quota) -> tuple[bytes, bytes, bool]:
    """What never changes of a quota's member in both fields, and whether it has the older fields too."""
    name = f'"{quota.name}"'
    return f"{name};q={quota.limit};w={quota.window}".encode("ascii"), name.encode("ascii"), quota.legacy_headers


@lru_cache(1024)
def _problem(status: int, violated: tuple[str, ...]) -> bytes:
    """RFC 9457, with the extension member of the draft's section 5."""
    exceeded = status == 429
    document = {
        "type": QUOTA_EXCEEDED if exceeded else REDUCED_CAPACITY,
        "title": "Too many requests: a quota is used up." if exceeded else "Requests can't be counted just now.",
        "status": status,
        "violated-policies": violated,
    }
    return json.dumps(document, separators=(",", ":")).encode()
