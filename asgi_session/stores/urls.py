"""A store by URL. The only place that knows every kind of store, so that nothing is imported that isn't used."""

from ..clock import SYSTEM_CLOCK, Clock
from ..exceptions import Problem
from .base import SessionStore

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")


def store_from_url(url: str, *, clock: Clock = SYSTEM_CLOCK) -> SessionStore | Problem:
    """The store that ``url`` names, not started yet; or what is wrong with it.

    ``memory://``, ``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://``, ``redis+cluster://`` (and their TLS forms).
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return Problem("store", "The store's URL has no scheme.", "Write it as redis://host:6379/0 or memory://.")
    if scheme == "memory":
        from .memory import MemoryStore

        return MemoryStore(clock=clock)
    if scheme in REDIS_SCHEMES:
        from ..redis.client import RedisClient
        from .redis import RedisStore

        return RedisStore(RedisClient(url, clock=clock))
    known = ", ".join(f"{name}://" for name in ("memory", *REDIS_SCHEMES))
    return Problem("store", f"The scheme {scheme[:32]!r} is not known.", f"Use one of {known}.")
