"""Two workers that share sessions: one that reads, one that revokes."""

import asyncio
import logging
import time

from asgi_session import SessionManager, SessionMiddleware
from benchmarks.contenders.site import NAME, SECRET, Scope, application, no_login
from benchmarks.driver import Driver, Header

_PATIENCE = 30
"""Seconds in which a worker has to follow Redis to another server."""


def _whose(scope: Scope) -> str:
    """Who asks, and how that is known."""
    return f"{scope['session'].get('name', 'nobody')} {'cached' if scope['asgi_session'].verdict.cached else 'loaded'}"


class Reader:
    """Asks for sessions again and again."""

    def __init__(self) -> None:
        logging.disable(logging.WARNING)  # of the faults that it is about to meet
        self._driver = Driver(application(_whose, no_login))

    async def open(self, redis_url: str) -> None:
        """Start."""
        self._driver = Driver(SessionMiddleware(application(_whose, no_login), SECRET, store=redis_url))
        await self._driver.start()

    async def close(self) -> None:
        """Stop."""
        await self._driver.stop()

    async def know(self, credential: str) -> None:
        """Read until it comes out of the L1 (a link that was disturbed needs a moment to be trusted again)."""
        deadline = time.monotonic() + 20
        while await self._read(credential) != f"{NAME} cached":
            if time.monotonic() > deadline:
                raise TimeoutError("The session does not get into the L1.")
            await asyncio.sleep(0.005)

    async def until_refused(self, credential: str, pause: float) -> list[float]:
        """Read all the time; the monotonic times of the last answer with the session, and of the first one without it."""
        accepted = 0.0
        while (await self._read(credential)).startswith(NAME):
            accepted = time.monotonic()
            await asyncio.sleep(pause)
        return [accepted, time.monotonic()]

    async def until_gone(self, credential: str, pause: float) -> float:
        """Read all the time, also while the answer is that nothing is known, until the session is gone.

        Returns the monotonic time of the last answer with the session.
        """
        accepted, deadline = 0.0, time.monotonic() + _PATIENCE
        while not (answer := await self._read(credential)).startswith("nobody"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The session does not end; the last answer was {answer[:200]!r}.")
            if answer.startswith(NAME):
                accepted = time.monotonic()
            await asyncio.sleep(pause)
        return accepted

    async def _read(self, credential: str) -> str:
        cookie: Header = (b"cookie", b"session=" + credential.encode())
        exchange = await self._driver.request([(b"host", b"127.0.0.1:8000"), cookie])
        return exchange.body.decode()


class Revoker:
    """Creates sessions and ends them."""

    def __init__(self) -> None:
        self._manager = SessionManager(SECRET)

    async def open(self, redis_url: str) -> None:
        """Start."""
        self._manager = SessionManager(SECRET, store=redis_url)
        await self._manager.initialize()

    async def close(self) -> None:
        """Stop."""
        await self._manager.shutdown()

    async def create(self) -> str:
        """The credential of a new session."""
        session = await self._manager.create("ann", {"name": NAME})
        assert session.credential is not None
        return session.credential

    async def revoke(self, credential: str) -> list[float]:
        """End it; the monotonic times before and after."""
        began = time.monotonic()
        if not await self._manager.revoke(credential):
            raise RuntimeError("There was nothing to revoke.")
        return [began, time.monotonic()]
