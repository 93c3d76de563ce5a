"""Start the demo and say how to try it."""

import argparse
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from examples.demo.app import demo_app
from examples.demo.ports import free_port, is_free
from examples.demo.redis_server import own_redis

USUAL_PORT = 8000
OWN_REDIS = "start one"

WELCOME = """
The demo runs on {address} with its sessions in {store}. Ctrl-C ends it.

The same with curl:

  curl -b jar -c jar -X POST {address}/counter
  curl -b jar -c jar -d text=milk {address}/notes
  curl -b jar -c jar -d username=ada -d password=lovelace {address}/login
  curl -b jar -c jar {address}/session
  curl -b jar -c jar -X POST {address}/logout
  curl -d grant_type=password -d username=ada -d password=lovelace {address}/development-issuer/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" {address}/api/me
  curl -i {address}/api/ping
"""


class AnnouncingServer(uvicorn.Server):
    """Says where it is once it is there."""

    def __init__(self, config: uvicorn.Config, welcome: str) -> None:
        super().__init__(config)
        self._welcome = welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then speak."""
        await super().startup(sockets)
        if self.started:
            print(self._welcome, flush=True)


@contextmanager
def chosen_store(redis: str | None) -> Iterator[tuple[str, str]]:
    """The store's URL, and what to call it."""
    if redis is None:
        yield "memory://", "this process's memory"
    elif redis == OWN_REDIS:
        with own_redis() as url:
            yield url, f"a Redis of its own ({url})"
    else:
        yield redis, "Redis"


def main() -> None:
    """Read the arguments and serve until Ctrl-C."""
    parser = argparse.ArgumentParser("python -m examples.demo", description="A page that shows what asgi_session does.")
    parser.add_argument("--port", type=int, help=f"default: {USUAL_PORT}, or a free one where that is taken")
    parser.add_argument(
        "--redis", nargs="?", const=OWN_REDIS, metavar="URL", help="keep the sessions in Redis; without a URL, start one"
    )
    arguments = parser.parse_args()
    port = arguments.port or (USUAL_PORT if is_free(USUAL_PORT) else free_port())
    address = f"http://127.0.0.1:{port}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that a Redis of the demo's own ends with it
    with suppress(KeyboardInterrupt), chosen_store(arguments.redis) as (store, called):
        config = uvicorn.Config(demo_app(address, store), host="127.0.0.1", port=port, log_level="warning")
        AnnouncingServer(config, WELCOME.format(address=address, store=called)).run()


if __name__ == "__main__":
    main()
