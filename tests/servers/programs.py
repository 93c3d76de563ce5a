"""The server programs, each as a child process with an application on a free port."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from tests.services.ports import free_port
from tests.services.process import ServiceProcess, wait_until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Program:
    """A server program, and in what it differs from the others. What it lacks is not ours to mend, but to know."""

    name: str
    options: str
    sends_lifespan: bool = True
    sends_headers_of_accept: bool = True
    """Else no cookie can leave with the acceptance of a WebSocket."""
    answers_refused_sockets: bool = True
    """Speaks the ``websocket.http.response`` extension: a refused handshake gets our status and body, else 403 alone."""


PROGRAMS = {
    program.name: program
    for program in (
        Program("uvicorn", "{app} --host 127.0.0.1 --port {port} --log-level info"),
        Program("hypercorn", "{app} --bind 127.0.0.1:{port}"),
        Program(
            "granian",
            "{app} --interface asgi --host 127.0.0.1 --port {port}",
            sends_headers_of_accept=False,
        ),
        Program(
            "daphne",
            "{app} --bind 127.0.0.1 --port {port}",
            sends_lifespan=False,
            sends_headers_of_accept=False,
            answers_refused_sockets=False,
        ),
    )
}


class AsgiServer:
    """One run of a server program. ``app`` is ``module:name``, imported from the checkout."""

    def __init__(self, app: str, program: str = "uvicorn", *options: str, env: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.program = PROGRAMS[program]
        fixed = self.program.options.format(app=app, port=self.port).split()
        environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})}
        self.process = ServiceProcess(program, [sys.executable, "-m", program, *fixed, *options], env=environment)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Return when it answers."""
        self.process.start()
        self.process.wait_ready(self.answers, seconds=30, every=0.05)
        return self

    def answers(self) -> bool:
        """Whether anything at all comes back."""
        try:
            httpx.get(f"{self.url}/session", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    def end_in_order(self) -> None:
        """Ask the server to end, as an operator does, and wait until it has."""
        os.kill(self.process.pid, signal.SIGTERM)
        wait_until(lambda: not self.process.running, f"{self.program.name} ends when asked to", seconds=15)

    def stop(self) -> None:
        """End it at once and remove its folder."""
        self.process.stop()
