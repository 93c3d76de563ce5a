"""Free TCP ports for the services.

State: the ports that this process was given. Nobody else is given one of them as long as it lives, although a server of the tests
is not there all the time: it is killed and comes back on its own port.
"""

import random
import socket
import sys
from pathlib import Path

_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that no other process of any test run gets from here.

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
        if _claim(port):
            return port
    raise RuntimeError("No free TCP port on 127.0.0.1.")


def _claim(port: int) -> bool:
    """Hold a name for the port, which the kernel frees when this process ends however it may; only Linux has such names."""
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0asgi_session-tests-port-{port}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # never closed: the port stays ours, whatever becomes of who asked for it
    return True
