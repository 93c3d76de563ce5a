"""The words of rate limiting, and the port between the middleware and whatever keeps the counts.

A *quota* is a number of units in a window of time. A *policy* is one or several quotas that a rule of the user's set
up. A *partition* is whose share of it a request uses (a hash: no address or user is readable in a key). A *permit* asks
for units of one policy in one partition; a *decision* says, for each quota of it, whether there was room.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Protocol

Strategy = Literal["sliding", "moving"]
"""``"sliding"``: the sliding-window counter of ``limits``: two numbers a quota, and an approximation with a bound that
``windows`` states. ``"moving"``: the exact log: never more than the limit in any window; one entry a unit."""

OnStoreError = Literal["local", "open", "closed"]
"""While the shared storage is down: count in this process, let everything pass, or refuse everything."""


class LimitSubject(Protocol):
    """What a rule may look at to find out whose quota a request uses."""

    @property
    def scope(self) -> Mapping[str, Any]:
        """The ASGI scope of the request or the WebSocket handshake."""
        ...

    @property
    def client_ip(self) -> str | None:
        """The client's address after the walk through trusted proxies; None where there is none (a Unix socket)."""
        ...

    @property
    def user_id(self) -> str | None:
        """Who is signed in; None before validation and for anonymous requests."""
        ...

    @property
    def session_key(self) -> str | None:
        """A name of the session that is not its id (a hash, a handle); None without a session."""
        ...


class Quota(NamedTuple):
    """So many units in so many seconds."""

    name: str
    """Unique among all quotas of a middleware; appears in headers, so it is safe inside a structured-field string."""
    limit: int
    window: int
    """Seconds."""
    legacy_headers: bool = False
    """Whether clients are told in the header fields of older drafts too; nothing that is counted depends on it."""


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """The quotas of one rule, as the storages see them: nothing here depends on the request."""

    name: str
    quotas: tuple[Quota, ...]
    strategy: Strategy = "sliding"
    on_store_error: OnStoreError = "local"
    shared: bool = True
    """False: counted in each process alone, so that counting costs no I/O (see ``rules.FailureBudget``)."""
    key: str = field(init=False)
    """The policy's part of a storage key. It changes with the limits and the strategy, so that a count that was kept
    under other ones is never read as one of these."""

    def __post_init__(self) -> None:
        shape = repr((self.strategy, [(quota.limit, quota.window) for quota in self.quotas]))
        object.__setattr__(self, "key", f"{self.name}.{blake2b(shape.encode(), digest_size=4).hexdigest()}")


class Permit(NamedTuple):
    """The wish to use ``cost`` units of every quota of a policy, in one partition."""

    policy: QuotaPolicy
    partition: str
    """Already hashed: see ``partitions.Partitions``."""
    cost: int = 1
    """At least 1 (RL-12)."""
    consume: bool = True
    """False: the units only have to be there; they are not used up."""


class Permits(tuple[Permit, ...]):
    """What a request asks for together. Never changes, so it may be made once for many requests of one client."""

    groups: "Groups | None"
    """The permits of each partition, under a name that says all of what they ask for; None where they can't be leased: one of them
    only looks, keeps the exact log, or is counted in each process alone."""

    def __init__(self, _: Iterable[Permit] = (), /) -> None:
        found: dict[str, list[Permit]] = {}
        for permit in self:
            if not permit.consume or not permit.policy.shared or permit.policy.strategy == "moving":
                self.groups = None
                return
        for permit in self:
            found.setdefault(permit.partition, []).append(permit)
        self.groups = tuple((_name(partition, group), tuple(group)) for partition, group in found.items())


Groups = tuple[tuple[str, tuple[Permit, ...]], ...]


def _name(partition: str, permits: Iterable[Permit]) -> str:
    return " ".join([partition, *(f"{permit.policy.key}*{permit.cost}" for permit in permits)])


class Decision(NamedTuple):
    """What one quota says to one permit."""

    quota: Quota
    allowed: bool
    """Whether this quota had room. The request may go on when all decisions of the call say so."""
    remaining: int
    """Units left after this call."""
    reset_after: float
    """Seconds. Allowed: how long ``remaining`` has to last. Refused: the earliest time at which the same permit fits,
    if nobody else takes the room first."""
    degraded: OnStoreError | None = None
    """Which rule for outages made this decision; None when the storage itself did."""

    @property
    def name(self) -> str:
        """The quota's name."""
        return self.quota.name

    @property
    def limit(self) -> int:
        """Units per window."""
        return self.quota.limit

    @property
    def window(self) -> int:
        """Seconds."""
        return self.quota.window


Told = tuple[Quota, bool, int, float, OnStoreError | None]
"""The fields of a ``Decision`` without their names: all that most requests need, in a quarter of the time. Each decision is one."""


def named(told: Iterable[Told]) -> list[Decision]:
    """The decisions, for whoever wants to look at them."""
    return [Decision._make(fields) for fields in told]


class Grant(NamedTuple):
    """What a limiter that leases answers."""

    uses: int
    """How often the permits were taken; 0: there was no room, and ``decisions`` say until when."""
    decisions: list[Decision]
    """One for each quota, after these uses."""
    next_in: float
    """Seconds until there is room for one more, if nobody else takes it first; 0 while there is."""


class Said(NamedTuple):
    """What was decided last about a permit."""

    permit: Permit
    at: float
    """Monotonic time of it."""
    decisions: list[Decision]
    """One for each quota of its policy."""


class RateLimiter(Protocol):
    """Counts. Decisions come in the order of the permits and, inside one, of its policy's quotas.

    All permits of one call that share a partition are one atomic step: either each of them had room and all are
    counted, or none is. (Storages that can do so extend this to the whole call.)

    Raises:
        StoreUnavailable: the storage did not answer in time.
        StoreError: the storage answered and refused.
    """

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none."""
        ...

    def acquire_now(self, permits: Sequence[Permit]) -> Sequence[Told] | None:
        """``acquire``, if it can be done without waiting; None where it has to be awaited, and nothing was counted."""
        ...

    async def start(self) -> None:
        """Get ready, on the running loop."""
        ...

    async def stop(self) -> None:
        """Let go of everything that ``start`` took."""
        ...


def admitted(decisions: Iterable[Told]) -> bool:
    """Whether the request may go on: every quota had room."""
    for decision in decisions:  # noqa: SIM110  # a generator costs more than one or two decisions do
        if not decision[1]:
            return False
    return True
