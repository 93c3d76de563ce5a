"""Which lane a command takes: the port, and the simple case of one server.

A route belongs to the event loop on which it was made.
"""

from typing import Protocol

from asgi_session.redis.call import Call
from asgi_session.redis.lane import Lane


class Route(Protocol):
    """Knows the servers, and which one has to be asked."""

    def submit(self, call: Call) -> None:
        """Sends a call on its way, or fails it; never raises."""
        ...

    async def primaries(self) -> list[Lane]:
        """The lanes to all servers that hold data of their own.

        Raises:
            StoreError: that can't be found out.
        """
        ...

    def same_node(self, slot: int, other: int) -> bool:
        """Whether one server serves both slots, as far as is known now."""
        ...

    async def close(self) -> None:
        """Ends everything in good order; leaves no task and no connection."""
        ...

    def abandon(self) -> None:
        """Ends everything where the event loop is not there any more."""
        ...


class OneServer:
    """The route of ``redis://``, ``unix://`` and ``redis+sentinel://``: there is only one way to go."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.submit = lane.submit
        self.close = lane.close
        self.abandon = lane.abandon

    async def primaries(self) -> list[Lane]:
        """The one lane."""
        return [self._lane]

    def same_node(self, slot: int, other: int) -> bool:
        """True."""
        del slot, other
        return True
