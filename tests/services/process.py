"""A server program as a child process that can be paused, killed and restarted, and that never outlives the tests."""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

INSTALL_HINT = "Run `python3 -m tests.services.install` to install what the tests need."


class ServiceError(RuntimeError):
    """A service could not be had; the text says what to do or what the service said last."""


def program(name: str, *alternatives: str) -> str:
    """Return the path of an installed program, or say in one line how to install it."""
    for candidate in (name, *alternatives):
        if path := shutil.which(candidate):
            return path
    raise ServiceError(f"{name} is not installed. {INSTALL_HINT}")


def run_quietly(command: Sequence[str]) -> None:
    """Run a command to its end; raise ServiceError with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"`{' '.join(command)}` failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def wait_until(ready: Callable[[], bool], what: str, *, seconds: float, every: float = 0.01) -> None:
    """Poll a real process until it is as wanted; raise ServiceError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ServiceError(f"Not within {seconds:g} s: {what}.")
        time.sleep(every)


class ServiceProcess:
    """One child process with a temporary folder of its own, in a process group of its own.

    Whatever ends the tests also ends the process: `stop()`, the interpreter's exit, and, where the tests are killed,
    the kernel (`setpriv --pdeathsig`). The kernel counts the thread that started the process as its parent, so call
    `start()` from a thread that stays.
    """

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"asgi_session-{name}-"))
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process id while the process exists, paused or not."""
        if self._process is None:
            raise ServiceError(f"{self.name} is not running.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the process has printed so far, over all its starts."""
        path = self.folder / "output.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the process; it need not answer yet."""
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*guard, *self._command],
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, ready: Callable[[], bool], *, seconds: float, every: float = 0.01) -> None:
        """Return when the service answers; raise ServiceError with its last words if it ends or stays silent."""

        def answers_or_ended() -> bool:
            return not self.running or ready()

        try:
            wait_until(answers_or_ended, f"{self.name} answers", seconds=seconds, every=every)
        except ServiceError as error:
            raise ServiceError(f"{error}\n{self.log[-2000:]}") from None
        if not self.running:
            raise ServiceError(f"{self.name} ended at its start:\n{self.log[-2000:]}")

    def pause(self) -> None:
        """Freeze the process: connections stay open, nothing is answered."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once, as a power cut would; its folder stays. Harmless if it has ended."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End the process and remove its folder."""
        atexit.unregister(self.stop)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
