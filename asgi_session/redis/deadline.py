"""A time limit for a task, which does not blame the server for a busy event loop."""

import asyncio

_LATE = 0.02
"""Seconds by which a timer may be late before the loop counts as blocked."""
_GRACE = 0.05
"""Seconds that a blocked loop gets to read what has arrived meanwhile."""


class Deadline:
    """Cancels the current task at a time of its loop's clock, unless ``lift()`` comes first.

    ``asyncio.timeout`` would also cancel after the application blocked the loop for a while, although the reply has been waiting
    in the socket all the time. Here a timer that rings late rings once more, a little later.
    """

    __slots__ = ("_handle", "_loop", "_task", "_when", "passed")

    def __init__(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        task = asyncio.current_task(loop)
        assert task is not None, "a deadline is for a task"
        self.passed = False
        """Whether the task was cancelled by this."""
        self._loop = loop
        self._task = task
        self._when = when
        self._handle = loop.call_at(when, self._ring, _LATE)

    def advance(self, when: float) -> None:
        """Moves the time, if the new one is earlier."""
        if when < self._when:
            self._handle.cancel()
            self._when = when
            self._handle = self._loop.call_at(when, self._ring, _LATE)

    def lift(self) -> None:
        """Ends the limit."""
        self._handle.cancel()

    def _ring(self, tolerance: float) -> None:
        if self._loop.time() - self._when > tolerance:
            self._handle = self._loop.call_later(_GRACE, self._ring, float("inf"))
        else:
            self.passed = True
            self._task.cancel()
