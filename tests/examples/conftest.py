"""Examples that run while a test uses them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache

import pytest

from tests.examples.documented import Curl, uvicorn_arguments
from tests.servers.programs import AsgiServer

Start = Callable[..., AsgiServer]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts an example by its documented command, on a free port: ``start("starlette_app", SOME_VARIABLE="x")``.

    It runs as long as the module's tests do; who asks for it again gets the same one.
    """
    with ExitStack() as running:

        @lru_cache
        def start_example(example: str, **env: str) -> AsgiServer:
            arguments = uvicorn_arguments(example)
            app = arguments.pop(next(index for index, word in enumerate(arguments) if word.startswith("examples.")))
            server = AsgiServer(app, "uvicorn", *arguments, env=env)
            running.callback(server.stop)
            return server.start()

        yield start_example


@pytest.fixture
def curl() -> Iterator[Callable[[AsgiServer], Curl]]:
    """Makes a curl with a jar of its own for a server."""
    with ExitStack() as made:

        def make(server: AsgiServer) -> Curl:
            line = Curl(server.url)
            made.callback(line.close)
            return line

        yield make
