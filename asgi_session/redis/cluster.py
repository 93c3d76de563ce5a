"""The routes to the nodes of a Redis Cluster.

Each primary has its own lane, with its own breaker, so that a dead node costs the others nothing. The driver's ``ClusterPipeline``
can't promise that: it fails as a whole when one node can't be reached, repeats commands whose reply was falsy, sends ASKING over
another connection than the command, and asks for the whole command table at each look at the Cluster. What we use of the driver are
its connections and the parsers of its replies.

The map of slots is learned with the first command, and again when there is a hint that it changed (MOVED, CLUSTERDOWN, a node that
stays silent): at most one look at a time and one in ``_LOOK_AGAIN_AFTER`` seconds, while commands go on by the map at hand. A hint
that comes too early is followed by a look later: it may be the last one, and who the primaries are is not only for commands.

Shared state: the map is replaced as a whole, and corrected slot by slot, in steps without an ``await``.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.redis.call import Call
from asgi_session.redis.lane import MAX_QUEUED, Lane, Redirect
from asgi_session.redis.slots import SlotMap
from asgi_session.redis.url import Host, host_and_port

_LOOK_AGAIN_AFTER = 0.25
_MAX_HOPS = 20
_TRY_AGAIN_AFTER = 0.01
"""Seconds; with ``_MAX_HOPS``, a call waits 200 ms for the end of a slot's move."""

MakeLane = Callable[[Host, Redirect, Callable[[], object]], Lane]
"""Makes the lane to a node: its host, who takes its redirected calls, who wants to know that it stays silent."""


class Cluster:
    """Lanes to the nodes, and the map that says which one to take."""

    def __init__(self, seeds: tuple[Host, ...], make_lane: MakeLane) -> None:
        self._seeds = seeds
        self._make_lane = make_lane
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[Host, Lane] = {}
        self._map: SlotMap | None = None
        self._look: asyncio.Task[None] | None = None
        self._look_later: asyncio.TimerHandle | None = None
        self._looked_at = float("-inf")
        self._why_not: BaseException | None = None
        self._waiting_for_map: list[Call] = []
        self._trying_again: dict[Call, asyncio.TimerHandle] = {}
        self._retiring: dict[asyncio.Task[None], Lane] = {}

    def submit(self, call: Call) -> None:
        """Sends a call to the node that serves its slot; waits for the first map, if need be."""
        if self._map is None:
            self._wait_for_map(call)
            return
        owner = self._map.primaries[0] if call.slot is None else self._map.owner(call.slot)
        if owner is None:
            self._look_soon()
            call.fail(StoreUnavailable("No node of the Redis Cluster serves the key's slot just now."))
            return
        lane = self._lane(owner)
        if lane.breaker.state != "closed":
            self._look_soon()
        lane.submit(call)

    async def primaries(self) -> list[Lane]:
        """The lanes to all nodes that serve slots."""
        return [self._lane(host) for host in (await self._known_map()).primaries]

    def same_node(self, slot: int, other: int) -> bool:
        """Whether one node serves both slots, by the map at hand."""
        if self._map is None:
            return slot == other
        return self._map.owner(slot) is not None and self._map.owner(slot) == self._map.owner(other)

    async def close(self) -> None:
        """Ends everything in good order."""
        if self._look_later is not None:
            self._look_later.cancel()
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])
        for call, handle in self._trying_again.items():
            handle.cancel()
            call.fail(StoreUnavailable("The connections to the Redis Cluster are being closed."))
        self._trying_again.clear()
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()), *self._retiring)

    def abandon(self) -> None:
        """Ends everything where the event loop is not there any more."""
        if self._look_later is not None:
            self._look_later.cancel()
        for lane in (*self._lanes.values(), *self._retiring.values()):
            lane.abandon()

    def _wait_for_map(self, call: Call) -> None:
        if len(self._waiting_for_map) >= MAX_QUEUED:
            call.fail(StoreUnavailable("Too many commands are waiting for the Redis Cluster."))
            return
        self._waiting_for_map.append(call)
        self._look_soon()

    def _lane(self, host: Host) -> Lane:
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = self._make_lane(host, partial(self._redirect, host), self._look_soon)
        return lane

    def _redirect(self, refuser: Host, call: Call, error: ResponseError) -> bool:
        """Sends a call again that a node refused to run, because another one should, or because it should be run later."""
        if isinstance(error, MovedError | ClusterDownError):
            self._look_soon()
        if not isinstance(error, AskError | TryAgainError) or call.hops >= _MAX_HOPS:  # a MovedError is an AskError
            return False
        call.hops += 1
        call.asking = False
        if isinstance(error, TryAgainError):
            self._trying_again[call] = self._loop.call_later(_TRY_AGAIN_AFTER, self._try_again, call)
            return True
        host = (error.host or refuser[0], error.port)
        if isinstance(error, MovedError) and self._map is not None:
            self._map.move(error.slot_id, host)
        call.asking = not isinstance(error, MovedError)
        call.started = self._loop.time()
        self._lane(host).submit(call)
        return True

    def _try_again(self, call: Call) -> None:
        del self._trying_again[call]
        call.started = self._loop.time()
        self.submit(call)

    async def _known_map(self) -> SlotMap:
        if self._map is None:
            await asyncio.wait([self._look_soon()])
        if self._map is None:
            raise self._nothing_learned()
        return self._map

    def _look_soon(self) -> asyncio.Task[None]:
        """Starts a look at the Cluster; a little later, where one is under way or was just made. Returns the latest."""
        if self._look is None or (self._look.done() and self._may_look_again()):
            self._look = self._loop.create_task(self._look_around())
        elif self._map is not None and self._look_later is None:
            self._look_later = self._loop.call_later(_LOOK_AGAIN_AFTER, self._look_now)
        return self._look

    def _look_now(self) -> None:
        self._look_later = None
        self._look_soon()

    def _may_look_again(self) -> bool:
        return self._map is None or self._loop.time() - self._looked_at > _LOOK_AGAIN_AFTER

    async def _look_around(self) -> None:
        nodes = self._map.primaries if self._map else self._seeds
        others = {*self._seeds, *(self._map.nodes if self._map else ())} - {*nodes}
        self._why_not = None
        try:
            found = await self._ask(nodes) or await self._ask(others)
            self._looked_at = self._loop.time()
            if found is not None:
                self._map = found
                self._retire_lanes_except(found.primaries)
        finally:  # also where the look is broken off: nobody may wait for ever
            self._let_go_on()

    def _let_go_on(self) -> None:
        """Send what waited for the map, or fail it where there is none."""
        waiting, self._waiting_for_map = self._waiting_for_map, []
        for call in waiting:
            if self._map is None:
                call.fail(self._nothing_learned())
            else:
                call.started = self._loop.time()
                self.submit(call)

    async def _ask(self, hosts: Collection[Host]) -> SlotMap | None:
        """Asks some nodes together for the map, and takes the first answer. Their lanes keep the time."""
        asked: dict[asyncio.Future[Any], Host] = {}
        for host in hosts:
            call = Call(self._loop, ("CLUSTER", "SLOTS"))
            asked[call.reply] = host
            self._lane(host).submit(call)
        pending: set[asyncio.Future[Any]] = set(asked)
        try:
            while pending:
                answered, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for reply in answered:  # all of them, also where one is enough: asyncio complains of errors that nobody looked at
                    self._why_not = reply.exception() or self._why_not
                for reply in answered:
                    if reply.exception() is None and (slots := reply.result()):
                        return SlotMap(slots, asked[reply])
        finally:
            for reply in pending:
                reply.cancel()
        return None

    def _nothing_learned(self) -> StoreError:
        """Why there is no map."""
        seeds = ",".join(host_and_port(*seed) for seed in self._seeds)
        answered = self._why_not is not None and not isinstance(self._why_not, StoreUnavailable)
        kind = StoreError if answered else StoreUnavailable
        error = kind(f"No node of the Redis Cluster at {seeds} told which node serves which slot.")
        error.__cause__ = self._why_not
        return error

    def _retire_lanes_except(self, hosts: Collection[Host]) -> None:
        for host in self._lanes.keys() - hosts:
            lane = self._lanes.pop(host)
            task = self._loop.create_task(lane.close())
            self._retiring[task] = lane
            task.add_done_callback(self._retired)

    def _retired(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():  # a loop that ends cancels its tasks: then the lane is still to be abandoned
            del self._retiring[task]
