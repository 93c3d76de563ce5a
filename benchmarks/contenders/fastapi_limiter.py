"""fastapi-limiter (on pyrate-limiter): a dependency of the route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi_limiter.depends import RateLimiter
from pyrate_limiter import Duration, Limiter, Rate, RedisBucket
from redis.asyncio import Redis

from benchmarks.contenders.site import NAME, ASGIApp, Site

RATES = [Rate(1_000_000_000, Duration.SECOND)]
"""A short window, for its own sake: it logs each request of the window, for all clients together."""


def memory(site: Site) -> ASGIApp:
    """As its documentation shows it: counted in this process."""
    return _limited_by(RateLimiter(limiter=Limiter(RATES[0])))


def redis(site: Site) -> ASGIApp:
    """Counted in Redis; its bucket is made on the event loop, so the dependency gets it at the start."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Redis.from_url(site.redis_url) as client:
            dependency.limiter = Limiter(await RedisBucket.init(RATES, client, "fastapi-limiter"))
            yield

    dependency = RateLimiter(limiter=Limiter(RATES[0]))
    app = _limited_by(dependency)
    app.router.lifespan_context = lifespan
    return app


def _limited_by(dependency: RateLimiter) -> FastAPI:
    app = FastAPI()

    @app.get("/read", dependencies=[Depends(dependency)])
    async def read() -> PlainTextResponse:
        return PlainTextResponse(NAME)

    return app
