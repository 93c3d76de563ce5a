"""What happens when something that a request depends on fails: the one source of docs/failures.md and of the tests beside it.

Each cell is a pair of a fault and an operation. `test_redis.py`, `test_takeovers.py` and `test_issuer.py` inject the fault for
real, run the operation through the whole middleware, and demand the outcome; `docs/generate.py` prints the same cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Policy = Literal["unaffected", "open", "degraded", "closed"]

AT_ONCE = 0.05
OPERATION = 0.25
CONNECT = 1.0
DECISION = 0.1
FETCH = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail."""

    name: str
    what: str
    """As the operator meets it."""
    within: float = AT_ONCE
    """Seconds in which a request that waits for the dependency is answered, by the default settings."""
    connecting: float | None = None
    """The same where a connection has to be made first, if that differs."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a request does."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client and the application see of it."""

    policy: Policy
    status: int
    says: str
    """What follows, for people."""
    within: float | None = None
    """Seconds, where they are not the fault's own."""
    forgotten: bool = False
    """Redis answers, but no longer knows what it was told."""


Cells = Mapping[str, Mapping[str, Outcome]]
"""Name of a fault → name of an operation → outcome."""

# -- Redis ----------------------------------------------------------------------------------------------------------------

REDIS_OPERATIONS = (
    Operation("anonymous", "A request without a credential that does not fill a session"),
    Operation("forged", "A request with a cookie that we did not sign"),
    Operation("load", "A request with a session cookie, at first sight in this process"),
    Operation("load-due", "The same, its idle timeout due to be slid"),
    Operation("load-anonymous", 'A session cookie at first sight, with `on_store_error="anonymous"`'),
    Operation("load-bearer", "A request with a session id as its bearer, at first sight in this process"),
    Operation("commit", "A handler changed its session; the fault begins after the load"),
    Operation("create", "A visitor's first value"),
    Operation("login", "`await session.login(...)`; the fault begins after the load"),
    Operation("logout", "`await session.logout()`; the fault begins after the load"),
    Operation("revoke", "`await manager.revoke(...)` and `revoke_user(...)`; the fault begins after the load"),
    Operation("limit-local", 'A rate limit with `on_store_error="local"`, the default'),
    Operation("limit-open", 'A rate limit with `on_store_error="open"`'),
    Operation("limit-closed", 'A rate limit with `on_store_error="closed"`'),
)

SERVER_FAULTS = (
    Fault("refused", "nobody listens: connections are refused, open ones break", AT_ONCE),
    Fault("unreachable", "open connections break, new ones are never answered (dropped packets)", CONNECT + OPERATION),
    Fault("hanging", "the process stands still (SIGSTOP)", OPERATION, CONNECT + OPERATION),
    Fault("black-hole", "open connections carry nothing any more", OPERATION, CONNECT + OPERATION),
    Fault("slow", "every answer comes 20 s late", OPERATION, CONNECT + OPERATION),
    Fault("reset", "connections break in the middle of a reply", AT_ONCE),
    Fault("paused", "`CLIENT PAUSE`", OPERATION),
    Fault("loading", "restarted, and still reading its data (`LOADING`)", OPERATION),
    Fault("read-only", "demoted to a replica (`READONLY`)", AT_ONCE),
    Fault("out-of-memory", "`maxmemory` is reached and nothing may be evicted (`OOM`)", AT_ONCE),
    Fault("killed", "killed (`kill -9`), and not started again yet", AT_ONCE),
    Fault("restarted", "killed and started again with all that it held (`appendonly yes`)", AT_ONCE),
    Fault("restarted-empty", "killed and started again without what it held", AT_ONCE),
)
"""Of a single Redis."""

TAKEOVER_FAULTS = (
    Fault("failing-over", "with Sentinels: the master was killed, and no other is promoted yet", AT_ONCE),
    Fault("failed-over", "the same, once another is promoted", AT_ONCE),
    Fault("node-failing-over", "on a Cluster: the node that holds what is asked for was killed, no replica promoted yet", AT_ONCE),
    Fault("node-failed-over", "the same, once its replica is promoted, and one refused question has told the process", AT_ONCE),
)
"""Of several, where another takes over."""

REDIS_FAULTS = SERVER_FAULTS + TAKEOVER_FAULTS

_UNAFFECTED = Outcome("unaffected", 200, "Redis is not needed", AT_ONCE)
_SERVED = Outcome("unaffected", 200, "Redis still serves it", AT_ONCE)
_LOGGED_OUT = Outcome("unaffected", 200, "Redis still serves it; cookie withdrawn", AT_ONCE)
_LOGGED_IN = Outcome(
    "unaffected",
    200,
    "Redis still serves it, as the session that it replaces makes room; without one, as a first value",
    AT_ONCE,
)
_REFUSED = Outcome("closed", 503, "`Retry-After`; cookie untouched")
_AS_NOBODY = Outcome("open", 200, "anonymous, nothing is saved; cookie untouched")
_NOT_SAVED = Outcome("closed", 503, "in place of the application's answer; cookie untouched")
_NOT_CREATED = Outcome("closed", 503, "in place of the application's answer; no cookie")
_NOT_LOGGED_IN = Outcome("closed", 503, "nobody is logged in; cookie untouched")
_REVOKED = Outcome("unaffected", 200, "Redis still serves it, and every process hears of it", AT_ONCE)
_NOT_REVOKED = Outcome("closed", 503, "the sessions may live on")
_SERVED_UNSLID = Outcome("unaffected", 200, "Redis still serves it; slid when it can be", AT_ONCE)
_NOT_LOGGED_OUT = Outcome("closed", 503, "the session may live on; cookie untouched, so that the user can try again")
_COUNTED_HERE = Outcome("degraded", 200, "each process goes on counting for itself; 429 beyond the limit", DECISION)
_UNCOUNTED = Outcome("open", 200, "not counted", DECISION)
_NOT_COUNTED = Outcome("closed", 503, "`Retry-After`; cookie untouched", DECISION)

_SILENT: Mapping[str, Outcome] = {
    "anonymous": _UNAFFECTED,
    "forged": _UNAFFECTED,
    "load": _REFUSED,
    "load-due": _REFUSED,
    "load-anonymous": _AS_NOBODY,
    "load-bearer": _REFUSED,
    "commit": _NOT_SAVED,
    "create": _NOT_CREATED,
    "login": _NOT_LOGGED_IN,
    "logout": _NOT_LOGGED_OUT,
    "revoke": _NOT_REVOKED,
    "limit-local": _COUNTED_HERE,
    "limit-open": _UNCOUNTED,
    "limit-closed": _NOT_COUNTED,
}
"""A Redis of which nothing can be had."""

_READS_ONLY: Mapping[str, Outcome] = {
    **_SILENT,
    "load": _SERVED,
    "load-due": _SERVED_UNSLID,
    "load-anonymous": _SERVED,
    "load-bearer": _SERVED,
}
"""A Redis that answers questions but takes nothing."""

_BACK: Mapping[str, Outcome] = {
    "anonymous": _UNAFFECTED,
    "forged": _UNAFFECTED,
    "load": _SERVED,
    "load-due": _SERVED,
    "load-anonymous": _SERVED,
    "load-bearer": _SERVED,
    "commit": _SERVED,
    "create": _SERVED,
    "login": _SERVED,
    "logout": _LOGGED_OUT,
    "revoke": _REVOKED,
    "limit-local": _SERVED,
    "limit-open": _SERVED,
    "limit-closed": _SERVED,
}
"""A Redis that is well again, and knows what it knew; each connection to it has to be made anew."""

_GONE = Outcome("degraded", 200, "the session is gone: anonymous, without an error; cookie untouched", forgotten=True)
_BEARER_GONE = Outcome("degraded", 401, "the session is gone", forgotten=True)
_NOTHING_TO_CHANGE = Outcome("degraded", 200, "the session is gone: what was changed is lost; cookie untouched", forgotten=True)
_COUNTED_ANEW = Outcome("degraded", 200, "Redis counts from zero", forgotten=True)

_BACK_EMPTY: Mapping[str, Outcome] = {
    **_BACK,
    "load": _GONE,
    "load-due": _GONE,
    "load-anonymous": _GONE,
    "load-bearer": _BEARER_GONE,
    "commit": _NOTHING_TO_CHANGE,
    "limit-local": _COUNTED_ANEW,
    "limit-open": _COUNTED_ANEW,
    "limit-closed": _COUNTED_ANEW,
}
"""A Redis that is well again, and knows nothing."""

REDIS: Cells = {
    "refused": _SILENT,
    "unreachable": _SILENT,
    "hanging": _SILENT,
    "black-hole": _SILENT,
    "slow": _SILENT,
    "reset": _SILENT,
    "paused": _SILENT,
    "loading": _SILENT,
    "read-only": _READS_ONLY,
    "out-of-memory": {**_READS_ONLY, "login": _LOGGED_IN, "logout": _LOGGED_OUT, "revoke": _REVOKED},
    "killed": _SILENT,
    "restarted": _BACK,
    "restarted-empty": _BACK_EMPTY,
    "failing-over": _SILENT,
    "failed-over": _BACK,
    "node-failing-over": _SILENT,
    "node-failed-over": _BACK,
}

# -- the issuer of bearer tokens (Keycloak) -----------------------------------------------------------------------------

ISSUER_OPERATIONS = (
    Operation("session", "A request with a session cookie"),
    Operation("known-token", "A token that was verified a moment ago"),
    Operation("known-key", "A token's first sight, its key known"),
    Operation("stale-key", "The same, the keys older than `max_age` (10 min)"),
    Operation("dead-key", "The same, the keys older than `stale_ceiling` (1 h)"),
    Operation("unknown-key", "A token's first sight, signed with a key that is not in the known set"),
    Operation("no-keys", "The first token of all: no key was fetched yet"),
)

ISSUER_FAULTS = (
    Fault("refused", "nobody listens", AT_ONCE),
    Fault("unreachable", "connections are never answered (dropped packets)", FETCH),
    Fault("hanging", "connections are accepted, and nothing is ever answered", FETCH),
    Fault("slow", "every answer comes 20 s late", FETCH),
    Fault("reset", "connections break in the middle of a reply", AT_ONCE),
    Fault("server-error", "500 for everything", AT_ONCE),
    Fault("html", "200 with an HTML page", AT_ONCE),
    Fault("broken-json", "JSON that ends in its middle", AT_ONCE),
    Fault("no-usable-keys", "a key set in which no key can be used", AT_ONCE),
    Fault("endless", "a body that never ends", FETCH),
)

_NOT_ASKED = Outcome("unaffected", 200, "the issuer is not asked", AT_ONCE)
_LAST_GOOD_KEYS = Outcome("degraded", 200, "the last good keys serve on")
_NOT_TOLD = Outcome("closed", 503, "`Retry-After`; nothing is said about the token")

_ISSUER_DOWN: Mapping[str, Outcome] = {
    "session": _NOT_ASKED,
    "known-token": _NOT_ASKED,
    "known-key": _NOT_ASKED,
    "stale-key": _LAST_GOOD_KEYS,
    "dead-key": _NOT_TOLD,
    "unknown-key": _NOT_TOLD,
    "no-keys": _NOT_TOLD,
}

ISSUER: Cells = {fault.name: _ISSUER_DOWN for fault in ISSUER_FAULTS}
