"""A client that asks at a steady rate, whether or not the server keeps up: who waits is not forgotten in the latencies."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.roles.http_client import Pool
from benchmarks.visits import SHARED_CONNECTIONS, Visits

_SETTLING = 1.0
"""Seconds in which the server may get over the opening of the connections."""


class Pacer:
    """Many visitors, one rate."""

    def __init__(self) -> None:
        self._latencies: defaultdict[str, list[float]] = defaultdict(list)

    async def run(self, port: int, credentials: Sequence[str], visits: Mapping[str, Any]) -> dict[str, list[float]]:
        """Let the owners of the credentials, header lines, ask for `/read` as `Visits(**visits)` says.

        Returns the latencies in milliseconds by answer (status and body), each from the moment when the request was due.
        """
        wanted = Visits(**visits)
        chance = random.Random()
        self._latencies = defaultdict(list)
        opened = (
            [await Pool.open(port, 1) for _ in credentials]
            if wanted.own_connections
            else [await Pool.open(port, SHARED_CONNECTIONS)]
        )
        plain = [_request(port, "/read", credential) for credential in credentials]
        fresh = [_request(port, "/read?fresh", credential) for credential in credentials] if wanted.fresh else plain
        begin = time.monotonic() + _SETTLING
        asking: list[asyncio.Future[None]] = []
        for after, visitor in wanted.schedule(chance):
            due = begin + after
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            request = (fresh if chance.random() < wanted.fresh else plain)[visitor]
            asking.append(asyncio.ensure_future(self._ask(opened[visitor % len(opened)], request, due)))
        await asyncio.gather(*asking)
        for pool in opened:
            pool.close()
        return self._latencies

    async def _ask(self, pool: Pool, request: bytes, due: float) -> None:
        status, body = await pool.ask(request)
        self._latencies[f"{status} {body.decode()}"].append(1000 * (time.monotonic() - due))


def _request(port: int, path: str, credential: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{credential}\r\n\r\n".encode()
