"""One command on its way: what it says, who waits for it, how long it may take."""

import asyncio
from typing import Any, cast

from hiredis import pack_command

from asgi_session.exceptions import StoreError
from asgi_session.redis.script import Operand, Script


class Call:
    """A command that waits for its reply.

    Packed where it is made, so that what can't be packed is its own maker's error and not that of a whole batch. A caller that is
    cancelled cancels only ``reply``: the command stays where it is, and its reply finds nobody.
    """

    __slots__ = ("asking", "hops", "packed", "reply", "script", "slot", "started", "words")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, words: tuple[Operand, ...], slot: int | None = None, script: Script | None = None
    ) -> None:
        self.words = words
        self.packed = _pack(words)
        self.slot = slot
        """Cluster only; None: any node will do."""
        self.script = script
        """While set, the command is the script's EVALSHA."""
        self.reply: asyncio.Future[Any] = loop.create_future()
        self.started = loop.time()
        self.hops = 0
        """How often it was sent again, because it wasn't run where it was sent."""
        self.asking = False
        """Cluster only: the node takes it only after ASKING."""

    def resolve(self, reply: Any) -> None:
        """Hands over the server's answer."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, error: StoreError) -> None:
        """Hands over an error, which must be nobody else's: a traceback will be attached to it."""
        if not self.reply.done():
            self.reply.set_exception(error)

    def send_source(self, script: Script) -> None:
        """Turns EVALSHA into EVAL, which also leaves the script with the server."""
        self.script = None
        self.packed = _pack(("EVAL", script.source, *self.words[2:]))


def _pack(words: tuple[Operand, ...]) -> bytes:
    packed: bytes = pack_command(cast("tuple[Operand]", words))  # its stub forgets the "..."
    return packed


ASKING = _pack(("ASKING",))
"""What a node that is still receiving a slot wants to read first."""
