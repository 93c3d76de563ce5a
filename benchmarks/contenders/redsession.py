"""redsession, in an environment of its own: its newest version wants redis-py 5."""

from redis.asyncio import Redis
from redsession import ServerSessionMiddleware
from redsession.backend import RedisBackend

from benchmarks.contenders.site import DAY, SECRET, ASGIApp, Site, application, filling_session, of_session


def redis(site: Site) -> ASGIApp:
    """Sessions of two weeks."""
    backend = RedisBackend(Redis.from_url(site.redis_url))
    return ServerSessionMiddleware(application(of_session, filling_session(site)), backend, SECRET, max_age=14 * DAY)
