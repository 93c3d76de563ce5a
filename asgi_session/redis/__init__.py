"""The one way by which the package talks to Redis; importing it loads no driver."""

from asgi_session.redis.client import Health, RedisClient
from asgi_session.redis.script import Script

__all__ = ["Health", "RedisClient", "Script"]
