"""What a process has counted of its sessions, gathered from those who count: for a health page and for metrics, without any I/O."""

from dataclasses import dataclass
from typing import Literal, Protocol

from .cache.link import Coherent
from .cache.sessions import SessionCache
from .cache.touches import TouchQueue
from .engine import SessionEngine


@dataclass(frozen=True, slots=True)
class ProcessCounts:
    """Of one middleware, in this process, since it was made. What a manager of its own does not have stays 0."""

    cached: int
    """Sessions in the cache now."""
    cached_bytes: int
    """Estimate of the memory that they take."""
    hits: int
    """Looks into the cache that found a session which could be believed."""
    misses: int
    evictions: int
    """Sessions that were pushed out by others: the cache is too small for those who are active."""
    touches_dropped: int
    """Idle timeouts that were not slid, at most; those sessions may end earlier than they should, never later."""
    links_lost: int
    """How many times the invalidation link broke, which took the sessions of that server out of the cache. Of the store object."""
    limits_asked: int
    """Questions to the shared rate limiter; all other decisions were made from leases. 0 where counts live in this process."""
    watched: int
    """Sockets and streams that end with their sessions, open now."""


@dataclass(frozen=True, slots=True)
class SessionHealth:
    """One look at the store, and at what this process makes of it."""

    state: Literal["healthy", "degraded", "down"]
    """Of the store."""
    latency: float | None
    """Seconds that a round trip to the store took; None where there was none."""
    detail: str
    process: ProcessCounts


class Asks(Protocol):
    """A limiter that counts its questions."""

    asked: int


@dataclass(frozen=True, slots=True)
class Counters:
    """Those who count."""

    engine: SessionEngine
    cache: SessionCache | None = None
    touches: TouchQueue | None = None
    limiter: Asks | None = None

    def read(self) -> ProcessCounts:
        """What they have counted until now."""
        cache, store = self.cache, self.engine.store
        return ProcessCounts(
            cached=len(cache) if cache is not None else 0,
            cached_bytes=cache.bytes if cache is not None else 0,
            hits=cache.hits if cache is not None else 0,
            misses=cache.misses if cache is not None else 0,
            evictions=cache.evictions if cache is not None else 0,
            touches_dropped=self.touches.dropped if self.touches is not None else 0,
            links_lost=store.link.lost if isinstance(store, Coherent) else 0,
            limits_asked=self.limiter.asked if self.limiter is not None else 0,
            watched=len(self.engine.watches),
        )
