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
from docs.generators.signatures import reference

FOLDER = Path(__file__).parent

PARTS: dict[str, Callable[[], str]] = {
    "SessionMiddleware": partial(reference, "middleware.py", "SessionMiddleware"),
    "SessionManager": partial(reference, "manager.py", "SessionManager"),
    "RateLimit": partial(reference, "ratelimit/rules.py", "RateLimit"),
    "FailureBudget": partial(reference, "ratelimit/rules.py", "FailureBudget"),
    "TrustedProxies": partial(reference, "client_address.py", "TrustedProxies"),
    "CSRFPolicy": partial(reference, "csrf.py", "CSRFPolicy"),
    "ValidationPolicy": partial(reference, "cache/policy.py", "ValidationPolicy"),
    "CachePolicy": partial(reference, "cache/policy.py", "CachePolicy"),
    "JWTVerifier": partial(reference, "tokens/verifier.py", "JWTVerifier"),
    "ClaimsPolicy": partial(reference, "tokens/policies.py", "ClaimsPolicy"),
    "KeyPolicy": partial(reference, "tokens/policies.py", "KeyPolicy"),
    "Lifetimes": partial(reference, "lifetimes.py", "Lifetimes"),
    "MemoryStore": partial(reference, "stores/memory.py", "MemoryStore"),
    "RedisStore": partial(reference, "stores/redis/store.py", "RedisStore"),
    "RedisClient": partial(reference, "redis/client.py", "RedisClient"),
    "CircuitBreaker": partial(reference, "breaker.py", "CircuitBreaker"),
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
