"""Which node of a Cluster serves which slot. Needs no driver, so that whoever names keys and channels can ask."""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import Any

from asgi_session.exceptions import StoreUnavailable
from asgi_session.redis.url import Host

SLOTS = 16384


class SlotMoving(StoreUnavailable):
    """The keys of a command are on two nodes, as their slot moves: whoever asks for one of them alone is answered."""


def slot_of(key: str | bytes | int | float) -> int:
    """The slot of a key: CRC16 of its first ``{hash tag}``, if that is not empty, or of all of it."""
    name = key if isinstance(key, bytes) else str(key).encode()
    opening = name.find(b"{")
    if opening >= 0:
        closing = name.find(b"}", opening)
        if closing > opening + 1:
            name = name[opening + 1 : closing]
    return crc_hqx(name, 0) % SLOTS


class SlotMap:
    """The Cluster as one of its nodes described it, corrected by what other nodes said since."""

    def __init__(self, reply: Sequence[Sequence[Any]], witness: Host) -> None:
        """Reads the reply to ``CLUSTER SLOTS``.

        Args:
            reply: ``[[first slot, last slot, [host, port, …] of the primary, [host, port, …] of a replica, …], …]``
            witness: who replied; a node that does not know its own host name is reached under the witness' one.
        """
        self._owners: list[Host | None] = [None] * SLOTS
        nodes: dict[Host, None] = {}
        primaries: dict[Host, None] = {}
        for first, last, *places in reply:
            hosts = [_host(place, witness) for place in places]
            nodes.update(dict.fromkeys(hosts))
            primaries[hosts[0]] = None
            self._owners[first : last + 1] = [hosts[0]] * (last + 1 - first)
        self.nodes = tuple(nodes)
        self.primaries = tuple(primaries)

    def owner(self, slot: int) -> Host | None:
        """The primary of a slot; None: the Cluster has none just now."""
        return self._owners[slot]

    def move(self, slot: int, host: Host) -> None:
        """Takes down what a MOVED said."""
        self._owners[slot] = host


def _host(place: Sequence[Any], witness: Host) -> Host:
    host, port = place[0], int(place[1])
    name = host.decode() if isinstance(host, bytes) else host
    return (witness[0] if name in {"", "?", None} else name, port)
