"""Sessions in Redis: one hash per session, one script per step (``lua/``)."""

from .store import RedisStore

__all__ = ["RedisStore"]
