"""One process of several that hammer a session: ``python -m tests.races.hammer URL NAMESPACE CREDENTIAL NAME TIMES``.

Each request adds one to the process's own key; and one to a key that all share, as often as it takes to be the first.
"""

import asyncio
import sys
from typing import Any

from asgi_session import SessionConflict, SessionMiddleware
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.support.asgi import Scope, exchange, http_scope
from tests.support.site import COOKIE, SECRET, pages


def count_own(scope: Scope) -> Any:
    """One more in the key that the query names."""
    session, name = scope["session"], scope["query_string"].decode()
    session[name] = session.get(name, 0) + 1
    return session[name]


async def count_shared(scope: Scope) -> Any:
    """One more in everybody's key, unless somebody else was faster."""
    session = scope["session"]
    session["shared"] = session.get("shared", 0) + 1
    try:
        await session.save(if_unchanged=True)
    except SessionConflict:
        return "again"
    return "counted"


async def hammer(url: str, namespace: str, credential: str, name: str, times: int) -> None:
    """See the module."""
    store = RedisStore(RedisClient(url, operation_timeout=5.0), namespace=namespace)
    middleware = SessionMiddleware(pages({"/own": count_own, "/shared": count_shared}), SECRET, store=store)
    await middleware.initialize()
    cookie = [("cookie", f"{COOKIE}={credential}")]
    for _ in range(times):
        assert (await exchange(middleware, http_scope(path="/own", query=name, headers=cookie))).status == 200
        while (await exchange(middleware, http_scope(path="/shared", headers=cookie))).json() == "again":
            pass
    await middleware.shutdown()


if __name__ == "__main__":
    asyncio.run(hammer(*sys.argv[1:5], times=int(sys.argv[5])))
