"""What every benchmark is given: the services, the workers, and how thorough to be."""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from benchmarks.children import Child
from benchmarks.contenders.site import Site
from benchmarks.environments import python_of
from benchmarks.issuer import AUDIENCE, ISSUER, Issuer
from tests.services.redis import RedisServer, started

if TYPE_CHECKING:
    from tests.services.redis import Traffic

T = TypeVar("T")


class Progress(Protocol):
    """Where a benchmark says what it does."""

    def step(self, text: str) -> None:
        """Say it."""
        ...


class Lab(contextlib.ExitStack):
    """One run's services and processes; leaving it stops them all."""

    def __init__(self, progress: Progress, *, quick: bool = False) -> None:
        super().__init__()
        self.quick = quick
        """Only to see that everything works."""
        self._progress = progress
        self._folder = self.enter_context(tempfile.TemporaryDirectory(prefix="asgi_session-benchmarks-"))
        self.redis = started(RedisServer)
        self.callback(self.redis.stop)

    def scaled(self, full: T, quick: T) -> T:
        """One of the two, by how thorough to be."""
        return quick if self.quick else full

    def step(self, text: str) -> None:
        """Say what is being done."""
        self._progress.step(text)

    def site(self, *, tokens: int = 0, size: int = 0) -> Site:
        """What an application is given; with so many tokens of a new issuer."""
        plain = Site(self.redis.url, self._folder, size=size)
        if not tokens:
            return plain
        issuer = Issuer()
        signed = [issuer.token(number) for number in range(tokens)]
        return replace(plain, issuer=ISSUER, audience=AUDIENCE, jwks=issuer.jwks, tokens=signed)

    @contextmanager
    def child(self, role: str, environment: str = "bench") -> Iterator[Child]:
        """A worker process."""
        with Child(role, python_of(environment)) as child:
            yield child

    @contextmanager
    def children(self, role: str, count: int) -> Iterator[list[Child]]:
        """Several."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self.child(role)) for _ in range(count)]

    def traffic(self) -> "AbstractContextManager[Traffic]":
        """See `RedisServer.traffic`."""
        return self.redis.traffic()

    def redis_memory(self) -> int:
        """Bytes that Redis uses by its own count, without the buffers of its clients."""
        memory = cast("dict[str, int]", self.redis.cli.info("memory"))
        return memory["used_memory"] - memory["mem_clients_normal"]

    def flush(self) -> None:
        """Forget everything in Redis."""
        self.redis.cli.flushall()


def as_arguments(site: Site) -> dict[str, Any]:
    """A site, to send to a worker."""
    return asdict(site)
