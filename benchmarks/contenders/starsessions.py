"""starsessions with its Redis store; the handler loads the session explicitly, as its documentation says."""

from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from starsessions import SessionMiddleware, load_session
from starsessions.stores.redis import RedisStore

from benchmarks.contenders.site import DAY, ASGIApp, Scope, Site, application, filling_session, of_session


def redis(site: Site) -> ASGIApp:
    """A session of two weeks that slides, as the others have it."""
    store = RedisStore(connection=Redis.from_url(site.redis_url))
    fill = filling_session(site)

    async def login(scope: Scope) -> None:
        await load_session(HTTPConnection(scope))
        fill(scope)

    return SessionMiddleware(application(_read, login), store, lifetime=14 * DAY, rolling=True)


async def _read(scope: Scope) -> str:
    await load_session(HTTPConnection(scope))
    return of_session(scope)
