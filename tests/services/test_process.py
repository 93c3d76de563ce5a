"""What every service rests on: free ports, child processes that never outlive the tests, errors that say what to do."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.ports import free_port
from tests.services.process import ServiceError, ServiceProcess, program, run_quietly, wait_until


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_free_port_is_free_and_no_port_of_outgoing_connections() -> None:
    """A server can listen on it, and the kernel gives it to no client."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert 1024 <= port < 32768


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has names that the kernel frees")
def test_no_port_is_given_twice() -> None:
    """Another run of the tests gets another one, also while nobody listens on it."""
    mine = free_port()
    others = [port for port in range(20_000, 20_050) if port != mine]  # some of them may be in use
    other_run = (
        "import random; from tests.services.ports import free_port; "
        f"random.randrange = lambda *_, drawn=iter({[mine, mine, *others]}): next(drawn); print(free_port())"
    )
    drawn = subprocess.run([sys.executable, "-c", other_run], capture_output=True, text=True, check=True).stdout
    assert int(drawn) in others


def test_missing_program_says_how_to_install_it() -> None:
    """The error is one line with a command."""
    with pytest.raises(ServiceError, match=r"^no-such-server is not installed. Run `.*`"):
        program("no-such-server")


def test_waiting_in_vain_names_what_was_awaited() -> None:
    """A deadline that passes says what did not happen."""
    with pytest.raises(ServiceError, match=r"Not within 0.02 s: rain"):
        wait_until(lambda: False, "rain", seconds=0.02)


def test_a_failing_command_shows_its_last_words() -> None:
    """The output of a command is shown only where it fails."""
    with pytest.raises(ServiceError, match="no luck"):
        run_quietly(["sh", "-c", "echo no luck; exit 3"])


def test_a_process_that_ends_at_its_start_shows_its_last_words() -> None:
    """What the process printed is in the error."""
    process = ServiceProcess("short", ["sh", "-c", "echo bad option; exit 1"])
    process.start()
    try:
        with pytest.raises(ServiceError, match="bad option"):
            process.wait_ready(lambda: False, seconds=10)
    finally:
        process.stop()


def test_a_process_that_never_answers_shows_its_last_words() -> None:
    """So it is for one that runs and stays silent."""
    process = ServiceProcess("silent", ["sh", "-c", "echo still loading; exec sleep 60"])
    process.start()
    try:
        wait_until(lambda: "loading" in process.log, "the output", seconds=10)
        with pytest.raises(ServiceError, match="still loading"):
            process.wait_ready(lambda: False, seconds=0.02)
    finally:
        process.stop()


def test_a_stopped_process_takes_its_children_along() -> None:
    """The whole process group ends."""
    process = ServiceProcess("family", ["sh", "-c", "sleep 60 & echo $!; wait"])
    process.start()
    wait_until(lambda: process.log.endswith("\n"), "the child's id", seconds=10)
    child = int(process.log)
    process.stop()
    wait_until(lambda: not _alive(child), "the child ends", seconds=10)


@pytest.mark.parametrize("last_act", ["import os; os.kill(os.getpid(), 9)", "raise SystemExit"])
def test_a_service_dies_with_the_run_that_started_it(last_act: str, tmp_path: Path) -> None:
    """Whether the run is killed or forgets to stop its services."""
    run = (
        "from tests.services.process import ServiceProcess\n"
        "service = ServiceProcess('left', ['sh', '-c', 'echo up; exec sleep 60'])\n"
        "service.start(); service.wait_ready(lambda: 'up' in service.log, seconds=10)\n"
        f"print(service.pid, flush=True); {last_act}"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # a killed run leaves its folders
    ended = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, env=env, check=False)
    pid = int(ended.stdout)
    wait_until(lambda: not _alive(pid), "the service ends", seconds=10)


def test_pausing_freezes_the_process() -> None:
    """The kernel reports it as stopped until it is resumed."""
    process = ServiceProcess("sleeper", ["sleep", "60"])
    process.start()
    try:
        process.pause()
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        process.resume()
        assert process.running
    finally:
        process.stop()
