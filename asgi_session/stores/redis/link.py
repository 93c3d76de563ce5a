"""The invalidation link over Redis: follows the channels to which the store's scripts publish.

One follower per server (on a Cluster: per primary) holds a connection of its own. Twice a second it sends the server a question,
and the answer is the proof: replies and messages of one connection come in order, so when the answer is here, all news from before
the question is here too. A proof extends the leases to ``TRUST`` seconds after its *question was sent*. Whatever keeps the answer
away (a cut, a black hole, a paused server, our own process being frozen) lets them run out; a lost connection ends them at once.

A living connection proves nothing if it leads to the wrong server. So the question is ``HELLO``, whose answer tells the server's
role; with Sentinels, the follower first asks them whether this is still the master. On a Cluster, the question is
``CLUSTER NODES``: extended are only the buckets whose slots the node itself says it serves, as a primary that reaches the majority
of the others, and is not giving away or taking over. Whoever begins to follow a bucket ends what was filled before: news of it may
have passed by.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from ...cache.link import TRUST, Invalidation, Lease, Listener, without
from ...clock import SYSTEM_CLOCK
from ...exceptions import StoreError
from ...ids import BUCKETS
from ...redis.client import RedisClient
from .keys import Keys
from .news import news_of
from .topology import slots_served

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from ...redis.connections import Connections

log = logging.getLogger("asgi_session.link")

ASK_EVERY = 0.5
"""Seconds between two questions."""
LOOK_EVERY = 1.0
"""Seconds between two looks at which servers there are."""
LONGEST_PAUSE = 1.0
"""Seconds before a lost connection is tried again, at most."""


class RedisLink:
    """See the module. State belongs to the event loop on which it was started; a start on another one begins anew."""

    def __init__(
        self,
        client: RedisClient,
        namespace: str,
        monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self.monotonic = monotonic
        self.sleep = sleep
        self._keys = Keys(namespace, client.database)
        self._listeners: tuple[Listener, ...] = ()  # replaced as a whole: it may change while it is walked through
        self._whole = Lease()
        self._leases: dict[str, Lease] = {}
        self._supervisor: asyncio.Task[None] | None = None
        self.lost = 0
        """How many times a connection was lost."""

    def lease(self, bucket: str) -> Lease:
        """On a Cluster each bucket has its own lease, elsewhere one holds for all."""
        if not self._client.is_cluster:
            return self._whole
        lease = self._leases.get(bucket)
        if lease is None:
            lease = self._leases[bucket] = Lease()
        return lease

    def listen(self, listener: Listener) -> None:
        """See :meth:`InvalidationLink.listen`."""
        self._listeners += (listener,)

    def unlisten(self, listener: Listener) -> None:
        """See :meth:`InvalidationLink.unlisten`."""
        self._listeners = without(self._listeners, listener)

    def tell(self, news: Invalidation | None) -> None:
        """See :meth:`InvalidationLink.tell`."""
        for listener in self._listeners:
            listener(news)

    async def start(self) -> None:
        """See :meth:`InvalidationLink.start`."""
        task = self._supervisor
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            self._distrust()
            self._supervisor = asyncio.ensure_future(self._supervise())

    async def stop(self) -> None:
        """See :meth:`InvalidationLink.stop`."""
        task, self._supervisor = self._supervisor, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        self._distrust()

    def _distrust(self) -> None:
        for lease in (self._whole, *self._leases.values()):
            lease.revoke()
        self.tell(None)

    async def _supervise(self) -> None:
        """Keeps one follower for each server there is."""
        followers: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                try:
                    servers = dict(await self._client.servers())
                except StoreError as error:
                    log.debug("the servers can't be found out: %s", error)
                else:
                    await self._adjust(followers, servers)
                await self.sleep(LOOK_EVERY)
        finally:
            for follower in followers.values():
                follower.cancel()
            if followers:
                await asyncio.wait(followers.values())

    async def _adjust(self, followers: "dict[str, asyncio.Task[None]]", servers: "Mapping[str, Connections]") -> None:
        gone = [followers.pop(place) for place in followers.keys() - servers.keys()]
        for task in gone:
            task.cancel()
        if gone:
            await asyncio.wait(gone)
        for place, connections in servers.items():
            if place not in followers or followers[place].done():
                follower = Follower(self, self._client.is_cluster, self._keys, place, connections)
                followers[place] = asyncio.ensure_future(follower.run())

    def whole(self) -> Lease:
        """The lease of all buckets, where there is no Cluster."""
        return self._whole


class Follower:
    """Follows the news of one server."""

    def __init__(self, link: RedisLink, sharded: bool, keys: Keys, place: str, connections: "Connections") -> None:
        self._link = link
        self._sharded = sharded
        self._place = place
        self._connections = connections
        self._monotonic = link.monotonic
        self._asked: deque[float] = deque()
        self._buckets: dict[int, list[str]] = {}  # slot -> buckets; on a Cluster only
        self._channels: dict[bytes, str] = {}  # channel -> bucket
        self._proved = False  # this connection has given a proof
        self._warn = True  # whoever reads the log has not been told yet that there is no connection
        self._wanted: set[str] = set()  # buckets whose channel we have asked to follow
        self._followed: set[str] = set()  # buckets whose channel the server says we follow
        self._all_news = keys.all_news
        if sharded:
            from ...redis.slots import slot_of  # loads the driver

            for bucket in (f"{number:03x}" for number in range(BUCKETS)):
                channel = keys.news(bucket)
                self._channels[channel.encode()] = bucket
                self._buckets.setdefault(slot_of(channel), []).append(bucket)
        self._names = {bucket: channel for channel, bucket in self._channels.items()}

    async def run(self) -> None:
        """Follow until cancelled; connect again, after a growing pause, whenever the connection is lost."""
        pause = 0.05
        while True:
            since = self._monotonic()
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next try may be better
                level = logging.WARNING if self._warn else logging.DEBUG  # once, not with each try to connect again
                log.log(level, "there is no invalidation link to %s, so nothing is cached: %r", self._place, error)
                self._warn = False
            finally:
                self._lose()
            pause = 0.05 if self._monotonic() - since > 10 else min(2 * pause, LONGEST_PAUSE)
            await self._link.sleep(pause)

    async def _follow(self) -> None:
        async with asyncio.timeout(TRUST):
            connection = await self._connections.dedicated()
        try:
            if not self._sharded:
                await connection.send_command("SUBSCRIBE", self._all_news)
            await _until_one_ends(self._ask(connection), self._read(connection))
        finally:
            await connection.disconnect(nowait=True)

    async def _ask(self, connection: "AbstractConnection") -> None:
        """Sends the question again and again; gives up where an answer stays away for as long as silence is believed."""
        while True:
            now = self._monotonic()  # before the Sentinels are asked: what they say is no younger
            if self._asked and now - self._asked[0] > TRUST:
                raise TimeoutError("no answer")
            async with asyncio.timeout(TRUST):
                current = await self._connections.is_current(connection)
            if not current:
                raise ConnectionError("most Sentinels, and all that answer, have to call it the master")
            self._asked.append(now)
            words = ("CLUSTER", "NODES") if self._sharded else ("HELLO",)
            await connection.send_command(*words)
            await self._link.sleep(ASK_EVERY)

    async def _read(self, connection: "AbstractConnection") -> None:
        while True:
            reply = await connection.read_response(disable_decoding=True, push_request=True)
            if isinstance(reply, list):
                self._hear(reply)
            else:
                await self._prove(connection, reply)

    def _hear(self, push: list[Any]) -> None:
        kind = push[0]
        if kind in (b"message", b"smessage"):
            self._link.tell(news_of(push[2]))
        elif kind == b"ssubscribe":
            bucket = self._channels[push[1]]
            self._link.lease(bucket).revoke()  # what was filled before, while another node was followed, may have missed news
            self._followed.add(bucket)
        elif kind == b"sunsubscribe":  # the slot went away
            bucket = self._channels[push[1]]
            self._wanted.discard(bucket)
            self._followed.discard(bucket)
            self._link.lease(bucket).revoke()

    async def _prove(self, connection: "AbstractConnection", reply: Any) -> None:
        """An answer is here, and with it all news from before its question."""
        until = self._asked.popleft() + TRUST
        if not self._sharded:
            if reply.get(b"role", b"master") != b"master":
                raise ConnectionError("it is no master")
            self._link.whole().until = until
            self._proved = self._warn = True
            return
        served = slots_served(bytes(reply).decode("utf-8", "replace"))
        if served is None:
            raise ConnectionError("it is no primary of the Cluster")
        self._proved = self._warn = True
        for slot, buckets in self._buckets.items():
            for bucket in buckets:
                if slot not in served:
                    if bucket in self._followed:
                        self._link.lease(bucket).revoke()  # it moves, and its news with it
                elif bucket in self._followed:
                    self._link.lease(bucket).until = until
                elif bucket not in self._wanted:
                    self._wanted.add(bucket)
                    await connection.send_command("SSUBSCRIBE", self._names[bucket])

    def _lose(self) -> None:
        self._asked.clear()
        if self._sharded:
            for bucket in self._followed:
                self._link.lease(bucket).revoke()
            self._followed.clear()
            self._wanted.clear()
        else:
            self._link.whole().revoke()
        if self._proved:
            self._proved = False
            self._link.lost += 1
            self._link.tell(None)


async def _until_one_ends(*endless: Coroutine[Any, Any, None]) -> None:
    """Run all until one fails, and raise what it raised; or until cancelled. All have ended then.

    No ``asyncio.TaskGroup``: before Python 3.13, one that fails while it is cancelled forgets that it was, and one whose task
    fails leaves its caller looking cancelled.
    """
    tasks = [asyncio.ensure_future(each) for each in endless]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # one of them is raised; asyncio would complain of the other
    ended.pop().result()
