"""Servers that run while a module's tests do, and visitors with a browser's memory."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.servers.programs import AsgiServer

Visitor = httpx.Client


@pytest.fixture
def visitor() -> Iterator[Callable[[AsgiServer], Visitor]]:
    """Makes visitors: each call one that keeps its cookies to itself."""
    made: list[Visitor] = []

    def make(server: AsgiServer) -> Visitor:
        made.append(httpx.Client(base_url=server.url, trust_env=False, timeout=10))
        return made[-1]

    yield make
    for client in made:
        client.close()
