"""Litestar's server-side sessions in Redis."""

from litestar import Litestar
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.redis import RedisStore

from benchmarks.contenders.framed import litestar_handlers
from benchmarks.contenders.site import ASGIApp, Site


def redis(site: Site) -> ASGIApp:
    """As it comes: two weeks from the last request, since each response writes the session again."""
    config = ServerSideSessionConfig()
    stores = {"sessions": RedisStore.with_client(site.redis_url)}
    return Litestar(litestar_handlers(site), middleware=[config.middleware], stores=stores)
