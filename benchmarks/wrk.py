"""wrk: load from outside, at a small share of what a server in Python costs."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services.process import program

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True)
class Load:
    """What came of some seconds of load."""

    requests: int
    seconds: float
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""
    refused: int
    """Answers with a status of 400 or above."""
    broken: int
    """Connections that failed, and timeouts."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def load(url: str, credentials: Sequence[str], seconds: int) -> Load:
    """Ask for the URL as fast as it answers, over 32 connections, with one header line after the other.

    Raises:
        RuntimeError: something was not answered with success.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lines:
        lines.write("\n".join(credentials) + "\n")
        lines.flush()
        command = [program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT), url, "--", lines.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = Load(**json.loads(done.stdout.strip().splitlines()[-1]))
    if result.refused or result.broken or not result.requests:
        raise RuntimeError(f"{url} failed under load: {result}")
    return result
