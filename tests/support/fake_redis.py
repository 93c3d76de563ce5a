"""fakeredis behind a real socket, so that the package's own client talks to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler


class _Handler(TCPFakeRequestHandler):
    """fakeredis 2.40 hangs up after each error that it sends, and loses large replies; a Redis does neither."""

    def setup(self) -> None:
        super().setup()
        self.connection.setblocking(True)
        read = self.current_client.read_response

        def read_reply_or_error(*arguments: Any, **options: Any) -> Any:
            try:
                return read(*arguments, **options)
            except redis.ResponseError as error:
                return error

        self.current_client.read_response = read_reply_or_error


@contextmanager
def fake_redis() -> Iterator[str]:
    """The URL of a fakeredis that lives as long as the block; whoever connects to it disconnects before its end."""
    server = TcpFakeServer(("127.0.0.1", 0), server_version=(7,))
    server.RequestHandlerClass = _Handler
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()
