"""Links whose news of other workers arrives when the schedule says so.

Who makes a step of the store hears its news with it, as in the package; for the other workers they are under way until the
schedule lets them arrive ("news for worker 1 arrive"), in their order. On a real Redis the news really travel: each step is
followed by a message of the test's own, and is over when that has come to everybody, and so has all before it.

The leases are the test's, too: they are believed until a scene loses them. That leases run out by themselves is for
``test_l1_orders.py`` (in every order) and ``test_l1_revocation.py`` (on real connections).
"""

import asyncio
import math
import time
from itertools import count
from typing import Any

from asgi_session import SessionStore
from asgi_session.cache.link import Invalidation, InvalidationLink, LocalLink
from asgi_session.redis import RedisClient
from asgi_session.stores.redis.keys import Keys
from tests.cache.workers import until
from tests.support.interleaving import Schedule, SteppedStore

_FENCE = "fence-"
"""How the subject of a message of our own begins."""


class Wire(LocalLink):
    """The link of one worker."""

    def __init__(self, name: str, inner: InvalidationLink) -> None:
        super().__init__()
        self.name = name
        self.start = inner.start  # type: ignore[method-assign]
        self.stop = inner.stop  # type: ignore[method-assign]
        self.is_mine = False
        """Whether the step under way is its own worker's."""
        self.waits = True
        """Whether news waits for its turn; needless for a worker that nobody asks anything."""
        self.fence = ""
        """The last message of the test's own that came."""
        self.told: list[Invalidation | None] = []
        """What the worker has heard so far."""
        self._connected = True
        self._of_this_step: list[Invalidation] = []
        self._under_way: list[list[Invalidation]] = []  # what one step publishes arrives together
        self._bringing = False
        self._inner = inner
        inner.listen(self._hear)

    def is_up(self) -> bool:
        """Whether news come to it at all."""
        return self._inner.lease("000").until > time.monotonic()

    def tell(self, news: Invalidation | None) -> None:
        """The worker hears it."""
        self.told.append(news)
        super().tell(news)  # type: ignore[arg-type]

    def send(self, schedule: Schedule) -> None:
        """The step is over, and its news are on their way."""
        news, self._of_this_step = self._of_this_step, []
        if not news or not self._connected:
            return
        self._under_way.append(news)
        if not (schedule.running and self.waits):
            self._arrive()
        elif not self._bringing:
            self._bringing = True
            schedule.join(self.name, lambda: self._bring(schedule))

    def lose(self) -> None:
        """The connection breaks, with all that is under way, and the worker notices."""
        self._connected = False
        self._under_way.clear()
        self._lease.revoke()
        self.tell(None)

    def connect(self) -> None:
        """News from now on are heard and silence is believed again."""
        self._connected = True
        self._lease.until = math.inf

    def _hear(self, news: Invalidation | None) -> None:
        if news is None:
            self.tell(None)
        elif news.subject.startswith(_FENCE):
            self.fence = news.subject.removeprefix(_FENCE)
        elif self.is_mine:  # what comes over the wire after that, it knows already
            self.tell(news)
        else:
            self._of_this_step.append(news)

    async def _bring(self, schedule: Schedule) -> None:
        while self._under_way:
            await schedule.gate("arrive")
            self._arrive()
        self._bringing = False

    def _arrive(self) -> None:
        for news in self._under_way.pop(0) if self._under_way else ():
            self.tell(news)


class Network:
    """The wires of several workers over one store."""

    def __init__(self, namespace: str, client: RedisClient | None = None) -> None:
        self.wires: list[Wire] = []
        self._channel = Keys(namespace).all_news
        self._client = client
        self._numbers = count()

    def join(self, inner: InvalidationLink) -> Wire:
        """One more worker."""
        wire = Wire(f"news for worker {len(self.wires)}", inner)
        self.wires.append(wire)
        return wire

    async def begin(self) -> None:
        """Wait until every wire is connected."""
        for wire in self.wires:
            await until(wire.is_up, f"{wire.name} come", seconds=10)
        await self.deliver()

    async def deliver(self) -> None:
        """Wait until what was published by now has come to every wire."""
        if self._client is None:
            return  # in memory it has
        number = str(next(self._numbers))
        await self._client.command("PUBLISH", self._channel, f"changed 000 {_FENCE}{number} ")
        async with asyncio.timeout(5):
            while any(wire.fence != number for wire in self.wires):
                await asyncio.sleep(0)


class WiredStore(SteppedStore):
    """A stepped store of one worker whose link is a wire of a network."""

    def __init__(self, inner: SessionStore, network: Network) -> None:
        super().__init__(inner)
        self.network = network
        self.wire = self.link = network.join(self.link)

    async def perform(self, name: str, *arguments: Any, **options: Any) -> Any:
        """A step, and its news on their way to the others."""
        assert not any(wire.is_mine for wire in self.network.wires), "two steps at once"
        self.wire.is_mine = True
        try:
            return await super().perform(name, *arguments, **options)
        finally:
            await self.network.deliver()
            self.wire.is_mine = False
            for wire in self.network.wires:
                wire.send(self.schedule)
