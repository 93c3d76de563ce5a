"""Where and on what the numbers were measured."""

import os
import platform
import resource
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

PACKAGES = ["asgi_session", "starlette", "redis", "hiredis", "limits", "joserfc", "cryptography", "uvicorn", "uvloop", "httptools"]


def description(redis_version: str) -> dict[str, Any]:
    """Machine, versions and date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "loop": _loop(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "redis_server": redis_version,
        "versions": {package: version(package) for package in PACKAGES if _is_installed(package)},
    }


def _loop() -> float:
    """Milliseconds of CPU for a million additions in Python, the best of five: how fast the machine is today."""
    taken = []
    for _ in range(5):
        began, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        taken.append(time.process_time() - began)
    return 1000 * min(taken)


def _is_installed(package: str) -> bool:
    """Whether this environment has it: not all benchmarks need all packages."""
    return any(distributions(name=package))


def load() -> float:
    """How many processes wanted to run, on average over the last minute."""
    return os.getloadavg()[0]


def allow_open_files(count: int) -> bool:
    """Whether a process started from now on may have so many files and connections open; raises the limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _commit() -> str:
    """Of the checkout; with a mark where something in it is not committed. Empty outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip()
