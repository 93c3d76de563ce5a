"""A Redis of the demo's own, from the system's ``redis-server``: on a free port, in memory, gone with the demo."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from examples.demo.ports import free_port

MISSING = "redis-server is not installed. On Debian: sudo apt-get install redis-server; or name a running one: --redis redis://..."


@contextmanager
def own_redis() -> Iterator[str]:
    """The URL of a Redis that runs inside the block; ends the program where there is none to start."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit(MISSING)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="asgi_session-demo-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as redis:
            try:
                _wait_until_it_listens(redis, port)
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                redis.terminate()


def _wait_until_it_listens(redis: subprocess.Popen[bytes], port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while redis.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("redis-server did not start. Start one yourself and name it: --redis redis://127.0.0.1:6379/0")
