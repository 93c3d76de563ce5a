"""Which node of a Cluster serves which slot."""

from collections.abc import Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from asgi_session.redis.url import Host

__all__ = ["SlotMap", "slot_of"]


def slot_of(key: str | bytes | int | float) -> int:
    """The slot of a key: CRC16 of its ``{hash tag}``, or of all of it."""
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


class SlotMap:
    """The Cluster as one of its nodes described it, corrected by what other nodes said since."""

    def __init__(self, reply: Sequence[Sequence[Any]], witness: Host) -> None:
        """Reads the reply to ``CLUSTER SLOTS``.

        Args:
            reply: ``[[first slot, last slot, [host, port, …] of the primary, [host, port, …] of a replica, …], …]``
            witness: who replied; a node that does not know its own host name is reached under the witness' one.
        """
        self._owners: list[Host | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
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
