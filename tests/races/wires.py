"""Links whose news of other workers arrives when the schedule says so.

Who makes a step of the store hears its news with it, as in the package; for the other workers they are under way until the
schedule lets them arrive ("news for worker 1 arrive"), in their order. On a real Redis the news really travel: each step is
followed by a message of the test's own, and is over when that has come to everybody, and so has all before it. On a Cluster each
node brings the news of its own slots, so there is one such message for each.

The leases are the test's, too: they are believed until a scene loses them. That leases run out by themselves is for
``test_l1_orders.py`` (in every order) and ``test_l1_revocation.py`` (on real connections).
"""

import asyncio
import math
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from asgi_session import SessionStore
from asgi_session.cache.link import Invalidation, InvalidationLink, LocalLink
from asgi_session.ids import BUCKETS
from asgi_session.redis import RedisClient
from asgi_session.redis.slots import SlotMap, slot_of
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
        self.fences: dict[str, str] = {}
        """The last message of the test's own that came in each bucket."""
        self.told: list[Invalidation | None] = []
        """What the worker has heard so far."""
        self._connected = True
        self._of_this_step: list[Invalidation] = []
        self._under_way: list[list[Invalidation]] = []  # what one step publishes arrives together
        self._bringing = False
        self._inner = inner
        inner.listen(self._hear)

    def is_up(self, buckets: Sequence[str]) -> bool:
        """Whether news of these buckets come to it."""
        return all(self._inner.lease(bucket).until > time.monotonic() for bucket in buckets)

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
            self.fences[news.bucket] = news.subject.removeprefix(_FENCE)
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
        self._keys = Keys(namespace)
        self._client = client
        self._buckets = ["000"]
        """Their news come over all connections that there are."""
        self._numbers = count()

    def join(self, inner: InvalidationLink) -> Wire:
        """One more worker."""
        wire = Wire(f"news for worker {len(self.wires)}", inner)
        self.wires.append(wire)
        return wire

    async def begin(self) -> None:
        """Wait until every wire is connected."""
        if self._client is not None and self._client.is_cluster:
            self._buckets = await self._bucket_of_each_node(self._client)
        for wire in self.wires:
            await until(lambda wire=wire: wire.is_up(self._buckets), f"{wire.name} come", seconds=10)  # type: ignore[misc]
        await self.deliver()

    async def deliver(self) -> None:
        """Wait until what was published by now has come to every wire."""
        if self._client is None:
            return  # in memory it has
        number = str(next(self._numbers))
        for bucket in self._buckets:
            message = f"changed {bucket} {_FENCE}{number} "
            if self._client.is_cluster:
                channel = self._keys.news(bucket)
                await self._client.command("SPUBLISH", channel, message, key=channel)
            else:
                await self._client.command("PUBLISH", self._keys.all_news, message)
        async with asyncio.timeout(5):
            while any(wire.fences != dict.fromkeys(self._buckets, number) for wire in self.wires):
                await asyncio.sleep(0)

    async def _bucket_of_each_node(self, client: RedisClient) -> list[str]:
        slots = SlotMap(await client.command("CLUSTER", "SLOTS"), ("", 0))
        buckets = {slots.owner(slot_of(self._keys.news(name))): name for name in (f"{number:03x}" for number in range(BUCKETS))}
        assert buckets.keys() == set(slots.primaries)
        return list(buckets.values())


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
