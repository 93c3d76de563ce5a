"""A worker that fills its L1, and looks what that takes."""

import asyncio
import gc
import tracemalloc
from collections.abc import Sequence

from asgi_session import SessionMiddleware
from asgi_session.cache.policy import CachePolicy
from benchmarks.contenders.site import SECRET, Scope, application, no_login
from benchmarks.driver import Driver


def _how(scope: Scope) -> str:
    return "cached" if scope["asgi_session"].verdict.cached else "loaded"


class Cacher:
    """See `memory`."""

    async def memory(self, redis_url: str, credentials: Sequence[str]) -> float:
        """Bytes for each of these sessions, once they are all in the L1."""
        policy = CachePolicy(max_entries=2 * len(credentials), max_age=300)
        driver = Driver(SessionMiddleware(application(_how, no_login), SECRET, store=redis_url, cache=policy))
        await driver.start()
        kept = list(map(_headers, credentials))
        while await self._read(driver, kept[:1]) == 0:  # the link needs a moment until it is trusted
            await asyncio.sleep(0.01)
        gc.collect()
        tracemalloc.start()
        await self._read(driver, kept)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        if await self._read(driver, kept) != len(kept):
            raise RuntimeError("Not all sessions are in the L1.")
        await driver.stop()
        return taken / len(kept)

    async def _read(self, driver: Driver, visitors: Sequence[list[tuple[bytes, bytes]]]) -> int:
        """Let each one read; how many came out of the L1."""
        return [(await driver.request(headers)).body for headers in visitors].count(b"cached")


def _headers(credential: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"127.0.0.1:8000"), (b"cookie", b"session=" + credential.encode())]
