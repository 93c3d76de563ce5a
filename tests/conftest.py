"""What every test may ask for; the real services come from `tests.services.fixtures`."""

import gc
import os

import pytest

import tests.support.examples  # noqa: F401  # how many examples properties are tried on

pytest_plugins = ["pytester", "tests.services.fixtures"]


def pytest_collection_finish() -> None:
    """Spare the garbage collector what collecting the tests has left for good; many tests ask it for what they left."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI runs the tests, one that was skipped has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("\nNothing may be skipped in CI.", red=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The package is asyncio's (its Redis client is), so its tests run there."""
    return "asyncio"
