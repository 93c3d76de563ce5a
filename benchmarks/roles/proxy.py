"""The tests' fault proxy, in a process of its own."""

from tests.services.fault_proxy import BLACK_HOLE, HEALTHY, FaultProxy


class Proxy:
    """Between a worker and Redis."""

    def __init__(self) -> None:
        self._proxy = FaultProxy(0)

    async def open(self, upstream_port: int) -> int:
        """Begin; returns the port."""
        self._proxy = FaultProxy(upstream_port)
        await self._proxy.accept()
        return self._proxy.port

    async def cut(self) -> None:
        """Let nothing through, and close nothing."""
        self._proxy.faults = BLACK_HOLE

    async def mend(self) -> None:
        """Let everything through again; what was held arrives."""
        self._proxy.faults = HEALTHY

    async def reset(self) -> None:
        """Break all connections; new ones work."""
        self._proxy.reset_connections()
