"""Creates sessions in large numbers, and asks for them by the manager."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from asgi_session import SessionManager
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from benchmarks.contenders.site import DATA, SECRET

_AT_ONCE = 32
_PATIENCE = 10.0
"""Seconds for a command: who fills a Redis in bulk would rather wait than lose a session because the machine stood still."""


class Filler:
    """A `SessionManager` with its own connection to Redis."""

    def __init__(self) -> None:
        self._manager = SessionManager(SECRET)

    async def open(self, redis_url: str) -> None:
        """Start."""
        self._manager = SessionManager(SECRET, store=RedisStore(RedisClient(redis_url, operation_timeout=_PATIENCE)))
        await self._manager.initialize()

    async def close(self) -> None:
        """Stop."""
        await self._manager.shutdown()

    async def create(
        self, count: int, first: int = 0, users: int = 0, data: dict[str, Any] | None = None, keep: int = 10_000
    ) -> list[str]:
        """So many sessions, in turn of so many users (0: of nobody); returns `keep` of the credentials, spread over all."""
        kept: list[str] = []
        every = max(1, count // keep)

        async def lane(numbers: range) -> None:
            for number in numbers:
                user = f"user-{number % users}" if users else None
                session = await self._manager.create(user, DATA if data is None else data)
                assert session.credential is not None
                if number % every == 0:
                    kept.append(session.credential)

        await asyncio.gather(*(lane(range(first + start, first + count, _AT_ONCE)) for start in range(_AT_ONCE)))
        return kept[:keep]

    async def validate(self, credentials: Sequence[str]) -> list[float]:
        """Milliseconds that each of these takes, one after the other; each is asked of Redis."""
        latencies = []
        for credential in credentials:
            began = time.perf_counter()
            if await self._manager.validate(credential) is None:
                raise RuntimeError("A session is missing.")
            latencies.append(1000 * (time.perf_counter() - began))
        return latencies

    async def timed(self, method: str, argument: str) -> float:
        """Milliseconds that a call of the manager takes."""
        began = time.perf_counter()
        await getattr(self._manager, method)(argument)
        return 1000 * (time.perf_counter() - began)
