"""The way to one server: what is submitted in one turn of the event loop leaves in one write.

A lane queues calls and, once per loop turn, sends what has gathered as a *batch* over one connection: not a transaction, each call
has its own reply or error. Replies are told apart by nothing but their order, so as many are read as commands were written, and
whatever else happens takes the connection with it: none with an unread reply is ever used again (security row ST-08).

Shared state: the queue, the set of batches and the breaker belong to the lane's event loop. A call is in exactly one place: the
queue, a batch, or answered. Nothing here repeats a command that a server may have run: what is sent again was refused unrun
(NOSCRIPT, MOVED, ASK, TRYAGAIN).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import MasterDownError, NoScriptError, ReadOnlyError, ResponseError

from asgi_session.breaker import CircuitBreaker
from asgi_session.deadline import Deadline
from asgi_session.exceptions import StoreUnavailable
from asgi_session.redis.call import ASKING, Call
from asgi_session.redis.connections import Connections
from asgi_session.redis.errors import from_reply, from_silence, is_silence

MAX_BATCH = 512
"""Calls in one write: enough to make the trip cheap, few enough for the first not to wait for the last."""
MAX_QUEUED = 8 * MAX_BATCH
"""Calls that may wait while all connections are busy; more are refused at once."""

_ENDING = 0.1
"""Seconds that batches get at a close to end by their own deadlines, before they are ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and sizes that hold for every lane of a client."""

    connect_timeout: float
    operation_timeout: float
    max_connections: int


Redirect = Callable[[Call, ResponseError], bool]
"""Takes a call that a server answered with an error; says whether it has sent it elsewhere."""


class Lane:
    """Queue, connections and breaker of one server."""

    def __init__(
        self,
        place: str,
        connections: Connections,
        limits: Limits,
        breaker: CircuitBreaker,
        redirect: Redirect = lambda _call, _error: False,
        on_silence: Callable[[], object] = lambda: None,
    ) -> None:
        self.place = place
        self.connections = connections
        self.breaker = breaker
        self._limits = limits
        self._redirect = redirect
        self._on_silence = on_silence
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Call] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._flush_is_due = False
        self._expiry: asyncio.TimerHandle | None = None
        self._closing = False

    def submit(self, call: Call) -> None:
        """Queues a call for this turn's batch, or fails it at once; never raises."""
        if self._closing:
            call.fail(StoreUnavailable(f"The connections to Redis at {self.place} are being closed."))
        elif len(self._queue) >= MAX_QUEUED:
            call.fail(StoreUnavailable(f"Too many commands are waiting for Redis at {self.place}."))
        else:
            try:
                self.breaker.admit()
            except StoreUnavailable as refusal:
                call.fail(refusal.with_traceback(None))
            else:
                self._enqueue(call)

    async def close(self) -> None:
        """Waits for what is on its way, no longer than it may take, and closes the connections; leaves no task."""
        self._closing = True
        latest = self._loop.time() + self._limits.connect_timeout + self._limits.operation_timeout + _ENDING
        self._flush()
        while self._batches and (left := latest - self._loop.time()) > 0:
            await asyncio.wait(self._batches, timeout=left)
        for task in self._batches:
            task.cancel()
        if self._batches:
            await asyncio.wait(self._batches)
        await self.connections.close()

    def abandon(self) -> None:
        """Lets go of everything, where the event loop is not there any more."""
        self._closing = True
        self.connections.abandon()

    def _enqueue(self, call: Call) -> None:
        self._queue.append(call)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        queue = self._queue
        while queue and len(self._batches) < self._limits.max_connections:
            batch = deque(queue.popleft() for _ in range(min(len(queue), MAX_BATCH)))
            task = self._loop.create_task(self._travel(batch))
            self._batches.add(task)
            task.add_done_callback(self._arrived)
        if queue and self._expiry is None:
            self._expiry = self._loop.call_at(queue[0].started + self._limits.operation_timeout, self._expire)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._flush()

    def _expire(self) -> None:
        """Fails what has waited in the queue for as long as an operation may take."""
        self._expiry = None
        oldest = self._loop.time() - self._limits.operation_timeout
        while self._queue and self._queue[0].started <= oldest:
            self._queue.popleft().fail(StoreUnavailable(f"All connections to Redis at {self.place} were busy for too long."))
        self._flush()

    async def _travel(self, batch: deque[Call]) -> None:
        """Sends a batch and hands out the replies; whatever happens, each of its calls ends."""
        limits = self._limits
        task = asyncio.current_task(self._loop)
        assert task is not None, "a batch travels in a task of its own"
        deadline = Deadline(self._loop, self._loop.time() + limits.connect_timeout + limits.operation_timeout, task.cancel)
        try:
            try:
                demoted = await self._exchange(batch, deadline)
            finally:
                deadline.lift()
        except asyncio.CancelledError:
            await self._lose(batch, TimeoutError() if deadline.passed else ConnectionAbortedError())
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for a reply for ever
            await self._lose(batch, error)
        else:
            self.breaker.succeeded()
            if demoted:
                await self.connections.drop_idle()

    async def _exchange(self, batch: deque[Call], deadline: Deadline) -> bool:
        """Takes each call out of the batch as it is answered; returns whether the server says that it is no master any more."""
        demoted = False
        started = self._loop.time()
        connection = await self.connections.acquire()
        try:
            connecting = self._loop.time() - started
            deadline.advance(batch[-1].started + connecting + self._limits.operation_timeout)
            await connection.send_packed_command([ASKING + call.packed if call.asking else call.packed for call in batch])
            while batch:
                call = batch[0]
                refusal = await _read(connection) if call.asking else None
                demoted = self._deliver(call, await _read(connection), refusal) or demoted
                batch.popleft()
            if demoted:
                await connection.disconnect(nowait=True)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self.connections.release(connection)
        return demoted

    def _deliver(self, call: Call, reply: Any, refusal: Any) -> bool:
        """Hands over what the server says to a call; ``refusal`` is what it said to the ASKING before it. True: see _exchange."""
        if not isinstance(reply, ResponseError):  # also after a refusal: by now, the slot is the server's own
            call.resolve(reply)
            return False
        error = refusal if isinstance(refusal, ResponseError) else reply
        if isinstance(error, NoScriptError) and call.script is not None:
            call.send_source(call.script)
            self._enqueue(call)
            return False
        if not self._redirect(call, error):
            call.fail(from_reply(error, self.place))
        return isinstance(error, ReadOnlyError | MasterDownError)

    async def _lose(self, batch: deque[Call], error: Exception) -> None:
        """Fails what got no answer, and the other connections' credit with it."""
        if is_silence(error):
            self.breaker.failed()
        else:
            self.breaker.succeeded()
        for call in batch:
            call.fail(from_silence(error, self.place))
        self._on_silence()
        await self.connections.drop_idle()


async def _read(connection: AbstractConnection) -> Any:
    """The next reply on the wire; an error that the server sent is a value like any other.

    So nothing ends the reading of a batch early but an exception, and that ends the connection. Hence the driver's parser itself:
    the connection around it would raise such an error, and does for each reply what a lane does for a batch.
    """
    parser: Any = connection._parser  # its base class has no word for this
    return await parser.read_response()
