"""A time limit that does not blame whoever is waited for for a busy event loop.

A timer alone can't tell the two apart: after the application blocked the loop for a while, the question may still have to leave, or
its answer lies in the socket, and it takes some more turns of the loop until it is where it is waited for. So the last part of the
time is spent in steps, after each of which the loop gets a number of turns. Where it is free they take no time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

_STEPS = 2
_STEP = 0.01
"""Seconds that an answer has at least, from the first turn after the loop was blocked. Few steps: where the machine is so busy that
timers are late, each of them costs."""
_TURNS = 16
"""Turns of the loop after each step. A question and its answer take some 17, and 26 where they need a new connection."""


class Deadline:
    """Calls ``over`` at a time of its loop's clock, unless ``lift()`` comes first; later where the loop was blocked meanwhile."""

    __slots__ = ("_handle", "_loop", "_over", "_steps", "_turns", "_when", "passed")

    def __init__(self, loop: asyncio.AbstractEventLoop, when: float, over: Callable[[], object]) -> None:
        self.passed = False
        """Whether ``over`` was called."""
        self._loop = loop
        self._over = over
        self._when = when
        self._steps = self._turns = 0
        self._handle: asyncio.Handle = loop.call_at(when - _STEPS * _STEP, self._step)

    def advance(self, when: float) -> None:
        """Moves the time, if the new one is earlier."""
        if when < self._when:
            self._handle.cancel()
            self._when = when
            self._handle = self._loop.call_at(when - _STEPS * _STEP, self._step)

    def lift(self) -> None:
        """Ends the limit."""
        self._handle.cancel()

    def _step(self) -> None:
        self._steps += 1
        self._turns = 0
        self._handle = self._loop.call_later(_STEP, self._turn)

    def _turn(self) -> None:
        self._turns += 1
        if self._turns < _TURNS:
            self._handle = self._loop.call_soon(self._turn)
        elif self._steps < _STEPS:
            self._step()
        else:
            self.passed = True
            self._over()


async def is_done_within(seconds: float, future: "asyncio.Future[Any]") -> bool:
    """Waits for a future, but no longer than that. Never cancels it, and does not look at what came out of it."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    deadline = Deadline(loop, loop.time() + seconds, wake)
    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        deadline.lift()
        future.remove_done_callback(wake)
    return future.done()
