"""What several users of one process share, above all a store object: the middleware, a second one, the manager of a job.

Each of them starts and stops it as if it were alone. It is stopped by whoever lets go last: a job that is done must not close the
connections under the requests of everybody else.
"""

from typing import Protocol
from weakref import WeakSet


class Startable(Protocol):
    """What can be started and stopped, again and again."""

    async def start(self) -> None:
        """Open."""
        ...

    async def stop(self) -> None:
        """Close."""
        ...


class Hold:
    """One user's share in the life of ``held``."""

    def __init__(self, held: Startable) -> None:
        self.held = held

    async def start(self) -> None:
        """Open it, and keep it open. Idempotent."""
        _ACTIVE.add(self)
        await self.held.start()

    async def stop(self) -> None:
        """Let go; close it if nobody else holds it. Idempotent."""
        _ACTIVE.discard(self)
        if not any(other.held is self.held for other in _ACTIVE):
            await self.held.stop()


_ACTIVE: WeakSet[Hold] = WeakSet()
"""Weak: a user who was forgotten without being stopped holds nothing."""
