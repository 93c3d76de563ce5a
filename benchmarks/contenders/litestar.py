"""Litestar's server-side sessions in Redis."""

from typing import Any

from litestar import Litestar, Request, get, post
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.redis import RedisStore

from benchmarks.contenders.site import NAME, ASGIApp, Site


def redis(site: Site) -> ASGIApp:
    """As it comes: two weeks from the last request, since each response writes the session again."""

    @get("/read", media_type="text/plain")
    async def read(request: Request[Any, Any, Any]) -> str:
        name: str = request.session["name"]
        return name

    @post("/login", status_code=200, media_type="text/plain")
    async def login(request: Request[Any, Any, Any]) -> str:
        request.set_session(site.data)
        return NAME

    config = ServerSideSessionConfig()
    stores = {"sessions": RedisStore.with_client(site.redis_url)}
    return Litestar([read, login], middleware=[config.middleware], stores=stores)
