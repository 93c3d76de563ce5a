"""A worker whose requests all count against one rate limit, which it shares with other workers."""

import asyncio
import time

from asgi_session import RateLimit, SessionMiddleware
from benchmarks.contenders.site import SECRET, application, no_login, of_nobody
from benchmarks.driver import Driver

_VISITOR = [(b"host", b"127.0.0.1:8000")]
_AT_ONCE = 32


class Limited:
    """Counts what it is granted. Monotonic times can be compared between the processes of a machine."""

    def __init__(self) -> None:
        self._driver = Driver(application(of_nobody, no_login))
        self._granted: list[float] = []
        self._refused = 0

    async def open(self, redis_url: str, limit: str) -> None:
        """Start."""
        app = SessionMiddleware(application(of_nobody, no_login), SECRET, store=redis_url, rate_limits=[RateLimit(limit)])
        self._driver = Driver(app)
        await self._driver.start()
        self._granted, self._refused = [], 0

    async def close(self) -> None:
        """Stop."""
        await self._driver.stop()

    async def hammer(self, begin: float, end: float, pause: float) -> dict[str, object]:
        """32 clients ask between two monotonic times, and pause after each refusal; when what was granted was granted."""
        await asyncio.sleep(begin - time.monotonic())
        await asyncio.gather(*(self._hammer(end, pause) for _ in range(_AT_ONCE)))
        return {"granted": self._granted, "refused": self._refused}

    async def _hammer(self, end: float, pause: float) -> None:
        while time.monotonic() < end:
            granted = await self._ask()
            await asyncio.sleep(0 if granted else pause)

    async def paced(self, begin: float, end: float, rate: float) -> dict[str, object]:
        """Ask `rate` times a second, each at its time, whether or not the others have been answered."""
        asking = set()
        due = begin
        while due < end:
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            asking.add(asyncio.ensure_future(self._ask()))
            due += 1 / rate
        await asyncio.gather(*asking)
        return {"granted": self._granted, "refused": self._refused}

    async def _ask(self) -> bool:
        status = (await self._driver.request(_VISITOR)).status
        if status == 200:
            self._granted.append(time.monotonic())
        elif status == 429:
            self._refused += 1
        else:
            raise RuntimeError(f"Neither granted nor refused: {status}.")
        return status == 200
