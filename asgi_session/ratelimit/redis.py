"""Counts in Redis, shared by all processes: one script, one round trip, the server's clock.

State: one key for each policy and partition, changed by ``limit.lua`` alone, which is atomic. There is no second step that
a crash could leave undone, and every key expires by itself as soon as nothing in it counts. The application hosts' clocks
play no part (RL-15).

On a Cluster the keys of one partition share a slot by their hash tag, so that a call is one script for each partition; on
one server it is one script in all, and then all permits of the call are one atomic step.
"""

import asyncio
from collections.abc import Sequence

from asgi_session.ratelimit.base import Decision, Grant, Permit, QuotaPolicy
from asgi_session.redis import RedisClient, Script

LIMIT = Script.from_package("asgi_session.ratelimit", "limit.lua")
_SERVER_CLOCK = 0


class RedisRateLimiter:
    """A ``RateLimiter`` on a ``RedisClient``, which it neither starts nor stops: the client belongs to whoever made it."""

    def __init__(self, client: RedisClient, *, namespace: str = "asgi_session") -> None:
        self._client = client
        self._namespace = namespace
        self._shapes: dict[str, tuple[int, ...]] = {}

    async def acquire(self, permits: Sequence[Permit]) -> list[Decision]:
        """Use the units of all permits, or of none (on a Cluster: of each partition by itself)."""
        if not self._client.is_cluster:
            return (await self._run(permits, 1)).decisions
        by_partition: dict[str, list[Permit]] = {}
        for permit in permits:
            by_partition.setdefault(permit.partition, []).append(permit)
        if len(by_partition) == 1:
            return (await self._run(permits, 1)).decisions
        answers = await asyncio.gather(*(self._run(group, 1) for group in by_partition.values()))
        decisions = {group: iter(answer.decisions) for group, answer in zip(by_partition, answers, strict=True)}
        return [next(decisions[permit.partition]) for permit in permits for _ in permit.policy.quotas]

    def acquire_now(self, permits: Sequence[Permit]) -> None:
        """Redis always has to be awaited."""

    async def lease(self, permits: Sequence[Permit], most: int) -> Grant:
        """Take the permits of one partition as many times as there is room, ``most`` at most."""
        return await self._run(permits, most)

    async def start(self) -> None:
        """Nothing to get ready: the client connects by itself, and a script is loaded when it is first missed."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    async def _run(self, permits: Sequence[Permit], most: int) -> Grant:
        keys: list[str] = []
        args: list[str | int | bytes] = [self._now(), most]
        for policy, partition, cost, consume in permits:
            keys.append(f"{self._namespace}:{{{partition}}}:l:{policy.key}")
            args += ("m" if policy.strategy == "moving" else "s", cost, int(consume), *self._shape(policy))
        granted, next_in, *numbers = await self._client.run(LIMIT, keys, args)
        cells = iter(numbers)
        quotas = [quota for permit in permits for quota in permit.policy.quotas]
        decisions = [Decision(quota, next(cells) == 1, next(cells), next(cells) / 1000) for quota in quotas]
        return Grant(granted, decisions, next_in / 1000)

    def _shape(self, policy: QuotaPolicy) -> tuple[int, ...]:
        """A policy's quotas as the script wants them: their number, then limit and window (ms) of each."""
        shape = self._shapes.get(policy.key)
        if shape is None:
            cells = [cell for quota in policy.quotas for cell in (quota.limit, quota.window * 1000)]
            shape = self._shapes[policy.key] = (len(policy.quotas), *cells)
        return shape

    def _now(self) -> int:
        """What the script takes as the time; a timeline of a test's own overrides it."""
        return _SERVER_CLOCK
