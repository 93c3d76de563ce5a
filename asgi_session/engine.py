"""What every session of a middleware or manager is worked on with, wired once."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .cache.link import Coherent, Invalidation
from .cache.watch import SessionWatch
from .client_description import Client, metadata
from .cookies import CookiePolicy
from .fingerprint import FINGERPRINT, Fingerprints
from .ids import CredentialSigner, StoreKey
from .lifetimes import Lifetimes
from .session_cap import SessionCap
from .stores.base import SessionStore, UserSessions

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
    fingerprints: Fingerprints | None = None
    """What sessions remember of the clients for whom they are made; None: nothing that could be compared."""
    steps: set[asyncio.Task[Any]] = field(default_factory=set)
    """Store steps under way; shutdown waits for them."""

    def described(self, client: Client, provider_session: str | None = None) -> Mapping[str, str]:
        """The metadata of a session that is made for ``client`` now."""
        known = metadata(client, provider_session)
        return known if self.fingerprints is None else {**known, FINGERPRINT: self.fingerprints.of(client)}

    async def finish(self, step: Coroutine[Any, Any, T]) -> T:
        """Run ``step`` to its end even if the caller is cancelled meanwhile."""
        task = asyncio.ensure_future(step)
        self.steps.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def end(self, key: StoreKey) -> None:
        """End a session by the middleware's own decision; it stays listed as revoked where the store can do that."""
        await self.finish(self.store.revoke(key) if isinstance(self.store, UserSessions) else self.store.destroy(key))

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
