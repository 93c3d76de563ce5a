"""Worker processes, from the side that measures."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent


class ChildFailed(RuntimeError):
    """A worker raised; the text is its traceback."""


class Child:
    """One worker process with its role."""

    def __init__(self, role: str, python: str = sys.executable) -> None:
        self._role = role
        command = [python, "-m", "benchmarks.child", role]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    @property
    def pid(self) -> int:
        """For signals."""
        return self._process.pid

    def tell(self, method: str, /, **arguments: Any) -> None:
        """Call a method of the role; its result has to be taken by `answer` before the next call."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildFailed(f"The worker {self._role} has ended.") from None

    def answer(self) -> Any:
        """What the method returned; waits for it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(f"The worker {self._role} ended with {self._process.wait()}.")
        reply = json.loads(line)
        if "raised" in reply:
            raise ChildFailed(f"In the worker {self._role}:\n{reply['raised']}")
        return reply["returned"]

    def call(self, method: str, /, **arguments: Any) -> Any:
        """`tell` and `answer`."""
        self.tell(method, **arguments)
        return self.answer()

    def pause(self) -> None:
        """Freeze the process."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End the process: its input ends, and so does it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
