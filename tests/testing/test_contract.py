"""The shipped contract: it finds mistakes, and another project can run it."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import asgi_session.testing
from tests.testing.broken_stores import BROKEN

PROJECT = Path(__file__).parents[2]

WITH_EVERY_BROKEN_STORE = """
    import pytest
    from asgi_session.stores.memory import MemoryStore
    from asgi_session.testing import (
        MaintenanceContract, ManualClock, StoreContract, TouchesContract, UserSessionsContract,
    )
    from tests.testing.broken_stores import BROKEN

    class Contract(StoreContract, UserSessionsContract, TouchesContract, MaintenanceContract):
        kind = MemoryStore

        @pytest.fixture
        def store(self):
            self.clock = ManualClock()
            return self.kind(clock=self.clock)

        async def elapse(self, store, seconds):
            self.clock.advance(seconds)

    class TestSound(Contract):
        pass

    for kind in BROKEN.values():
        globals()[f"Test{kind.__name__}"] = type(f"Test{kind.__name__}", (Contract,), {"kind": kind})
"""
WITHOUT_A_CLOCK = """
    import pytest
    from asgi_session.stores.memory import MemoryStore
    from asgi_session.testing import StoreContract

    class TestPatient(StoreContract):
        time_unit = 0.05

        @pytest.fixture
        def store(self):
            return MemoryStore()

    class TestUnfinished(StoreContract):
        pass
"""


def run_pytest(folder: Path, source: str, *options: str) -> str:
    """What pytest says in a project that has nothing of ours but the package; warnings are errors there too."""
    (folder / "test_store.py").write_text(textwrap.dedent(source))
    (folder / "my_package.py").write_text("from asgi_session.stores.memory import MemoryStore as MyStore\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "--tb=line",
        "--strict-markers",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{folder}"}
    done = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def outcomes(report: str, outcome: str) -> set[tuple[str, str]]:
    """Class and name of each test that passed or failed, its parameters left out."""
    return set(re.findall(rf"^{outcome} test_store\.py::(\w+)::(\w+)", report, re.MULTILINE))


@pytest.mark.lengthy
def test_each_mistake_is_found_by_its_test(tmp_path: Path) -> None:
    """A store with one mistake fails the test that is there for it; the sound one fails none."""
    its_test = {(f"Test{kind.__name__}", test) for test, kind in BROKEN.items()}
    chosen = ["TestSound", *("::".join(names) for names in sorted(its_test))]  # all others of each would take half a minute
    report = run_pytest(tmp_path, WITH_EVERY_BROKEN_STORE, *(f"test_store.py::{name}" for name in chosen))
    assert outcomes(report, "FAILED") == its_test
    sound = {test for name, test in outcomes(report, "PASSED") if name == "TestSound"}
    assert sound >= {test for _, test in its_test}
    assert len(sound) > 40


@pytest.mark.lengthy
def test_the_example_works_as_it_stands(tmp_path: Path) -> None:
    """The lines of the docstring are a whole test module, in a project without an option set for us."""
    example = re.search(r"::\n\n(.*?)\n\n``StoreContract``", str(asgi_session.testing.__doc__), re.DOTALL)
    assert example is not None
    report = run_pytest(tmp_path, example[1])
    assert not outcomes(report, "FAILED"), report
    assert len(outcomes(report, "PASSED")) > 40, report


@pytest.mark.slow
@pytest.mark.alone
def test_a_store_without_a_clock_is_waited_for(tmp_path: Path) -> None:
    """Time passes by itself; and a module that forgot to give a store is told so."""
    report = run_pytest(tmp_path, WITHOUT_A_CLOCK, "-k", "an_idle_session_ends or absolute_timeout")
    assert outcomes(report, "PASSED") == {
        ("TestPatient", "test_an_idle_session_ends"),
        ("TestPatient", "test_a_busy_session_ends_at_its_absolute_timeout"),
    }
    assert "Override the fixture `store`" in report


def test_the_package_needs_no_pytest() -> None:
    """Only the testing modules import it."""
    code = "import sys, asgi_session; print('pytest' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=PROJECT).strip() == "False"
