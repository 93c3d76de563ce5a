"""Writes the generated parts of the pages in docs/, or checks that they are up to date.

    python -m docs.generate            writes
    python -m docs.generate --check    changes nothing; fails and names the pages that are out of date

A page holds ``<!-- generated: NAME -->`` and, below, ``<!-- end -->``; what stands between them is replaced.
"""

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs.generators import environment_table, failure_tables, security_table
from docs.generators.members import errors, members
from docs.generators.signatures import reference, types

FOLDER = Path(__file__).parent

CLASSES = (
    ("middleware.py", "SessionMiddleware"),
    ("manager.py", "SessionManager"),
    ("ratelimit/rules.py", "RateLimit"),
    ("ratelimit/rules.py", "FailureBudget"),
    ("client_address.py", "TrustedProxies"),
    ("csrf.py", "CSRFPolicy"),
    ("session_cap.py", "SessionCap"),
    ("cache/policy.py", "ValidationPolicy"),
    ("fingerprint.py", "FingerprintPolicy"),
    ("cache/policy.py", "CachePolicy"),
    ("tokens/verifier.py", "JWTVerifier"),
    ("tokens/policies.py", "ClaimsPolicy"),
    ("tokens/policies.py", "KeyPolicy"),
    ("lifetimes.py", "Lifetimes"),
    ("stores/memory.py", "MemoryStore"),
    ("stores/redis/store.py", "RedisStore"),
    ("redis/client.py", "RedisClient"),
    ("breaker.py", "CircuitBreaker"),
)

OBJECTS = (
    ("session.py", "Session"),
    ("context.py", "RequestContext"),
    ("context.py", "Verdict"),
    ("ratelimit/base.py", "Decision"),
    ("principal.py", "Principal"),
    ("tokens/base.py", "VerifiedToken"),
    ("manager.py", "SessionManager"),
    ("manager.py", "StoredSession"),
    ("counts.py", "SessionHealth"),
    ("counts.py", "ProcessCounts"),
    ("ratelimit/base.py", "LimitSubject"),
)

PARTS: dict[str, Callable[[], str]] = {
    **{name: partial(reference, module, name) for module, name in CLASSES},
    "types": partial(types, *CLASSES),
    **{f"members-{name}": partial(members, module, name) for module, name in OBJECTS},
    "errors": errors,
    "environment": environment_table.table,
    "redis-faults": failure_tables.redis_faults,
    "redis-outcomes": failure_tables.redis_outcomes,
    "issuer-faults": failure_tables.issuer_faults,
    "issuer-outcomes": failure_tables.issuer_outcomes,
    "security": security_table.table,
}

_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.S)


def pages() -> dict[Path, str]:
    """Every page with generated parts, as it has to be."""
    found = {}
    for page in sorted(FOLDER.rglob("*.md")):
        text = page.read_text()
        if _PART.search(text):
            found[page] = _PART.sub(lambda match: f"{match[1]}\n{PARTS[match['name']]()}\n\n{match[3]}", text)
    return found


def used_parts() -> set[str]:
    """The parts that stand on some page."""
    return {match["name"] for page in FOLDER.rglob("*.md") for match in _PART.finditer(page.read_text())}


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if arguments not in ([], ["--write"], ["--check"]):
        print(__doc__)
        return 2
    outdated = {page: text for page, text in pages().items() if page.read_text() != text}
    for page, text in outdated.items():
        if arguments == ["--check"]:
            print(f"{page.relative_to(FOLDER.parent)} is out of date: run `python -m docs.generate`.")
        else:
            page.write_text(text)
            print(f"{page.relative_to(FOLDER.parent)} written.")
    return 1 if outdated and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
