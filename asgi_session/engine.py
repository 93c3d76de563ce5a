"""What every session of a middleware or manager is worked on with, wired once."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .cache.link import Coherent, Invalidation
from .cache.watch import SessionWatch
from .cookies import CookiePolicy
from .ids import CredentialSigner, StoreKey
from .lifetimes import Lifetimes
from .session_cap import SessionCap
from .stores.base import SessionStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionEngine:
    """The store and what goes with it. Shared by all requests; only ``steps`` ever changes."""

    store: SessionStore
    signer: CredentialSigner
    lifetimes: Lifetimes
    cookies: CookiePolicy
    watches: SessionWatch
    cap: SessionCap | None = None
    """How many sessions a user may have at once."""
    steps: set[asyncio.Task[Any]] = field(default_factory=set)
    """Store steps under way; shutdown waits for them."""

    async def finish(self, step: Coroutine[Any, Any, T]) -> T:
        """Run ``step`` to its end even if the caller is cancelled meanwhile."""
        task = asyncio.ensure_future(step)
        self.steps.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def tell_ended(self, key: StoreKey) -> None:
        """The store says that a session has ended, and there may have been no news of it: cache and sockets must learn it."""
        if isinstance(self.store, Coherent):
            self.store.link.tell(Invalidation("ended", key.bucket, key.digest))

    async def drain(self) -> None:
        """Wait for the steps that are under way on this event loop; those of one that is dead would never end."""
        loop = asyncio.get_running_loop()
        mine = [step for step in self.steps if step.get_loop() is loop]
        if mine:
            await asyncio.wait(mine)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.steps.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; whoever was cancelled does not want it
