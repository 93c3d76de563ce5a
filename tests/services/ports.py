"""Free TCP ports for the services."""

import random
import socket
from pathlib import Path

_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    It lies below the range that the kernel gives to outgoing connections. From that range a client that reconnects to a
    killed server could be given the server's own port as its source, and so connect to itself.
    """
    first_ephemeral = int(_EPHEMERAL_RANGE.read_text().split()[0]) if _EPHEMERAL_RANGE.exists() else 32768
    for _ in range(1000):
        port = random.randrange(max(1024, first_ephemeral - 20000), first_ephemeral)
        with socket.socket() as probe:
            # As servers do; without it a port would look taken for the minute after its last user was stopped.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("No free TCP port on 127.0.0.1.")
