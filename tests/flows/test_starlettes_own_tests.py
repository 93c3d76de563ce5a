"""Starlette's own session tests pass with nothing but the class exchanged.

They are not part of this repository: the run downloads them, in the version that is installed, and keeps them in a cache. Of their
two event loops only asyncio is used, as our Redis client is asyncio's.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.starlette_suite.download import starlettes_tests

PLUGIN = Path(__file__).parent / "starlette_suite"
STORES = ["memory", pytest.param("redis", marks=pytest.mark.redis)]


@pytest.mark.slow
@pytest.mark.parametrize("swapped", ["SessionMiddleware", "SessionMiddleware,Session"])
@pytest.mark.parametrize("kind", STORES)
def test_starlettes_session_tests_pass(request: pytest.FixtureRequest, kind: str, swapped: str) -> None:
    """Without a lifespan and with an event loop for each request, as its TestClient does it; warnings are errors."""
    home = starlettes_tests()
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN), "ASGI_SESSION_SWAP": swapped}
    environment.pop("ASGI_SESSION_STORE", None)
    if kind == "redis":
        environment["ASGI_SESSION_STORE"] = request.getfixturevalue("redis_url")
    options = ["-p", "swapped_sessions", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error", "-k", "not trio", "-q"]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(home), "tests/middleware/test_session.py"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 15
    assert "skipped" not in done.stdout
