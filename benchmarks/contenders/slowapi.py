"""slowapi: a decorator of the route."""

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

from benchmarks.contenders.site import ENDLESS_LIMITS, NAME, ASGIApp, Site


def memory(site: Site) -> ASGIApp:
    """Counted in this process."""
    return _limited("memory://")


def redis(site: Site, headers: bool = False) -> ASGIApp:
    """Counted in Redis, by a client that blocks the event loop: it has no other. Headers that tell the quota are off by default."""
    return _limited(site.redis_url, headers)


def _limited(storage: str, headers: bool = False) -> ASGIApp:
    limiter = Limiter(key_func=get_remote_address, storage_uri=storage, headers_enabled=headers)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

    @app.get("/read")
    @limiter.limit(ENDLESS_LIMITS[0])
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(NAME)

    return app
