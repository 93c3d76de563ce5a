"""Contenders under uvicorn, as processes of their own."""

import json
import os
from pathlib import Path
from typing import Self

import httpx

from benchmarks.children import ROOT
from benchmarks.contenders.site import ANSWER, Site
from benchmarks.environments import python_of
from benchmarks.lab import as_arguments
from benchmarks.registry import Contender
from benchmarks.serving import CONTENDER, SITE
from tests.services.ports import free_port
from tests.services.process import ServiceProcess

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_OPTIONS = [
    *("--factory", "--loop", "uvloop", "--http", "httptools"),
    *("--no-access-log", "--no-proxy-headers", "--log-level", "warning"),
    *("--timeout-keep-alive", "600"),  # by default 5 s: a client that has idle connections would measure its reconnects
]


class Server:
    """One contender, served by one or several worker processes; leaving it ends them."""

    def __init__(self, contender: Contender, site: Site, workers: int) -> None:
        self.contender = contender
        self._site = site
        self._port = free_port()
        command = [
            *(python_of(contender.environment), "-m", "uvicorn", "benchmarks.serving:app", *_OPTIONS),
            *("--port", str(self._port), "--workers", str(workers)),
        ]
        described = Path(site.folder, f"site-{self._port}.json")  # one for each server: another one may be reading its own just now
        described.write_text(json.dumps(as_arguments(site)), encoding="utf-8")
        env = {CONTENDER: contender.name, SITE: str(described), "PYTHONPATH": str(ROOT)}
        self._process = ServiceProcess("uvicorn", command, env=env)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=5)

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return self._port

    @property
    def url(self) -> str:
        """Of the route that is read."""
        return f"http://127.0.0.1:{self._port}/read"

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()
        self._process.stop()

    def wait_ready(self) -> None:
        """Return when it answers."""
        self._process.wait_ready(self._answers, seconds=60, every=0.05)

    def _answers(self) -> bool:
        try:
            self._client.get("/is-it-there")
        except httpx.TransportError:
            return False
        return True

    def credentials(self, visitors: int) -> list[str]:
        """A header line for each visitor, who has logged in; proved by a read.

        Raises:
            RuntimeError: an answer was wrong.
        """
        if self.contender.tokens:
            lines = [f"Authorization: Bearer {token}" for token in self._site.tokens[:visitors]]
        elif self.contender.login:
            lines = [self._log_in() for _ in range(visitors)]
        else:
            lines = ["X-Nobody: 1"]
        self._client.cookies.clear()
        for line in lines:
            name, _, value = line.partition(": ")
            answer = self._client.get("/read", headers={name: value})
            if answer.status_code != 200 or answer.content != ANSWER:
                raise RuntimeError(f"{self.contender.name} answered {answer.status_code}: {answer.content[:200]!r}")
        return lines

    def _log_in(self) -> str:
        self._client.cookies.clear()
        answer = self._client.post(self.contender.login)
        cookies = [line.partition(";")[0] for line in answer.headers.get_list("set-cookie")]
        if answer.status_code != 200 or not cookies:
            raise RuntimeError(f"The login of {self.contender.name} answered {answer.status_code}: {answer.content[:200]!r}")
        return f"Cookie: {'; '.join(cookies)}"

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return sum(_cpu_seconds(pid) for pid in _group(self._process.pid))

    def memory_bytes(self) -> int:
        """What the largest of its processes, a worker, has in memory."""
        return max(_memory_bytes(pid) for pid in _group(self._process.pid))


def _group(leader: int) -> list[int]:
    """The processes of a group: the server and its workers."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if _in_group(pid, leader)]


def _in_group(pid: int, leader: int) -> bool:
    try:
        return os.getpgid(pid) == leader
    except ProcessLookupError:
        return False


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _memory_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except FileNotFoundError:
        return 0
