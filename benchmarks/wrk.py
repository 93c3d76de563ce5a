"""wrk: load from outside, at a small share of what a server in Python costs."""

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
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


def load(url: str, credentials: Sequence[str], seconds: float) -> Load:
    """Ask for the URL as fast as it answers, over 32 connections, with one header line after the other.

    wrk itself counts whole seconds only; at an interrupt it ends as it would at the end of its time.

    Raises:
        RuntimeError: something was not answered with success.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lines:
        lines.write("\n".join(credentials) + "\n")
        lines.flush()
        command = [program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{ceil(seconds) + 1}s", "-s", str(_SCRIPT), url, "--", lines.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
            time.sleep(seconds)
            wrk.send_signal(signal.SIGINT)
            said, _ = wrk.communicate()
    if wrk.returncode:
        raise RuntimeError(f"wrk ended with {wrk.returncode}: {said}")
    result = Load(**json.loads(said.strip().splitlines()[-1]))
    if result.refused or result.broken or not result.requests:
        raise RuntimeError(f"{url} failed under load: {result}")
    return result
