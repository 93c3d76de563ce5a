"""A standalone Redis of the system's `redis-server`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self, cast

import redis

from tests.services.ports import free_port
from tests.services.process import ServiceError, ServiceProcess, program


@dataclass
class Traffic:
    """What a Redis did inside a `traffic()` block; filled when the block ends."""

    commands: dict[str, int] = field(default_factory=dict)
    """Calls per command, lower case; subcommands as ``"config|get"``. Commands inside a script count too."""
    reads: int = 0
    """How often the server found something to read on a connection: the round trips, if each fits one packet."""


class RedisServer:
    """A Redis that a test may pause, kill and restart.

    Keeps nothing on disk unless `persistent`, in which case every write is on disk before it is acknowledged.
    """

    def __init__(self, *options: str, port: int | None = None, persistent: bool = False, name: str = "redis") -> None:
        self.port = port or free_port()
        disk = ["--appendonly", "yes", "--appendfsync", "always"] if persistent else ["--appendonly", "no"]
        address = ["--port", str(self.port), "--bind", "127.0.0.1"]
        fixed = ["--save", "", "--enable-debug-command", "local", "--loglevel", "warning"]
        command = [program("redis-server"), *address, *fixed, *disk, *options]
        self.process = ServiceProcess(name, command)
        self.cli = redis.Redis(
            host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=5, single_connection_client=False
        )

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> Self:
        """Start the server and return when it answers."""
        self.process.start()
        self.process.wait_ready(self.answers, seconds=10, every=0.005)
        return self

    def answers(self) -> bool:
        """Whether the server answers a PING right now."""
        try:
            return bool(self.cli.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def command(self, *words: str | int) -> Any:
        """Run a command that redis-py has no typed method for, as one would type it in redis-cli."""
        return self.cli.execute_command(*words)  # type: ignore[no-untyped-call]

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): it accepts connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        self.process.resume()

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL)."""
        self.process.kill()
        self.cli.close()

    def restart(self) -> None:
        """Start the server again on its port, after a kill where it still runs."""
        self.kill()
        self.start()

    def forget(self) -> None:
        """Remove what a killed server keeps on disk."""
        for kept in self.process.folder.glob("appendonlydir/*"):
            kept.unlink()

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.kill()
        self.process.stop()

    def commandstats(self) -> dict[str, int]:
        """Calls per command since the server's start or the last CONFIG RESETSTAT, this helper's own left out."""
        stats = cast("dict[str, dict[str, int]]", self.cli.info("commandstats"))
        calls = {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
        return {name: count for name, count in calls.items() if name not in {"info", "config|resetstat"}}

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Count what everybody else asks of the server inside the block."""
        seen = Traffic()
        before, reads_before = self.commandstats(), self._reads()
        yield seen
        reads, after = self._reads(), self.commandstats()
        seen.reads = reads - reads_before - 1  # the one that asks for this number
        grown = {name: count - before.get(name, 0) for name, count in after.items()}
        seen.commands = {name: count for name, count in grown.items() if count}

    def _reads(self) -> int:
        return int(cast("dict[str, int]", self.cli.info("stats"))["total_reads_processed"])


def started(make: Callable[[], RedisServer], attempts: int = 5) -> RedisServer:
    """Make and start a server; another port where somebody took the chosen one in between."""
    for attempt in range(attempts):
        server = make()
        try:
            return server.start()
        except ServiceError as error:
            server.stop()
            if "Address already in use" not in str(error) or attempt == attempts - 1:
                raise
    raise AssertionError("unreachable")
