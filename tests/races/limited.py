"""One process of several that share a rate limit: ``python -m tests.races.limited URL NAMESPACE LIMIT ROUNDS``.

In each round, some requests of the limited page travel together with one of a page whose handler blocks the event loop for longer
than the limiter waits for an answer. Starts on a line of standard input; prints when each limited request was granted.
"""

import asyncio
import json
import sys
import time

from asgi_session import RateLimit, SessionMiddleware
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.support.asgi import Scope, exchange, http_scope
from tests.support.site import SECRET, ignore, pages

AT_ONCE = 5


def block(_scope: Scope) -> str:
    """What a handler should not do, and does."""
    time.sleep(0.07)
    return "late"


async def share(url: str, namespace: str, limit: str, rounds: int) -> list[float]:
    """See the module."""
    middleware = SessionMiddleware(
        pages({"/": ignore, "/slow": block}),
        SECRET,
        store=RedisStore(RedisClient(url), namespace=namespace),
        rate_limits=[RateLimit(limit, paths=["/"])],
    )
    await middleware.initialize()
    granted: list[float] = []

    async def ask() -> None:
        if (await exchange(middleware, http_scope())).status == 200:
            granted.append(time.monotonic())

    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(rounds):
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)), exchange(middleware, http_scope(path="/slow")))
    await middleware.shutdown()
    return granted


if __name__ == "__main__":
    print(json.dumps(asyncio.run(share(*sys.argv[1:4], rounds=int(sys.argv[4])))))
