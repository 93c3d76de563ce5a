"""What of Redis's traffic the requests brought about."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.services.redis import Traffic

OF_THE_LINK = frozenset({"hello", "ping", "subscribe"})
"""What the invalidation link asks about twice a second, whatever the requests do; and how any connection begins."""


def commands_of(traffic: "Traffic") -> Mapping[str, int]:
    """Calls by command, without those of the link."""
    return {name: calls for name, calls in traffic.commands.items() if name not in OF_THE_LINK}


def trips_of(traffic: "Traffic") -> int:
    """Round trips without those of the link."""
    return max(0, traffic.reads - sum(traffic.commands.get(name, 0) for name in OF_THE_LINK))
