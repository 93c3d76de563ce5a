"""What the tests of rate limits are made of: a clock that stands still, requests, and limiters on a test's own time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fakeredis

from asgi_session.ratelimit.base import Decision, Permit, RateLimiter
from asgi_session.ratelimit.redis import RedisRateLimiter
from asgi_session.ratelimit.rules import RateLimit
from asgi_session.redis import RedisClient, Script

EPOCH = 1_700_000_000.0
"""Where the tests' time starts; a fraction of 1/8 s added to it is exact in a float."""


@dataclass
class StoppedClock:
    """A clock that moves only when the test says so."""

    seconds: float = EPOCH

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.seconds

    def monotonic(self) -> float:
        """The same; no test needs them to differ."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@dataclass
class Subject:
    """A request as rules see it."""

    scope: Mapping[str, Any] = field(default_factory=lambda: {"type": "http", "method": "GET", "path": "/"})
    client_ip: str | None = "192.0.2.1"
    user_id: str | None = None
    session_key: str | None = None


class FakeRedisClient:
    """The part of ``RedisClient`` that a limiter uses, on fakeredis: its Lua and its own keyspace, no server."""

    is_cluster = False

    def __init__(self) -> None:
        self.redis = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), version=(7,))

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Runs a script as ``EVAL``."""
        return await self.redis.eval(script.source, len(keys), *keys, *args)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self.redis.aclose()


class TimedRedisRateLimiter(RedisRateLimiter):
    """The Redis limiter, whose script takes the test's time for the server's."""

    def __init__(self, client: RedisClient | FakeRedisClient, clock: StoppedClock, namespace: str = "test") -> None:
        super().__init__(client, namespace=namespace)  # type: ignore[arg-type]
        self.clock = clock

    def _now(self) -> int:
        return int(self.clock.seconds * 1000)


def permit(limit: str, *, partition: str = "p", cost: int = 1, consume: bool = True, **rule: Any) -> Permit:
    """A permit of a rule that is made on the spot."""
    return Permit(RateLimit(limit, **rule).policy, partition, cost, consume)


async def look(limiter: RateLimiter, permits: Sequence[Permit]) -> list[Decision]:
    """What would be decided now; nothing is counted."""
    return await limiter.acquire([permit._replace(consume=False) for permit in permits])
