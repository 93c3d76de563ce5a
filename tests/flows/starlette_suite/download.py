"""Starlette's own tests, as its source distribution has them; kept outside the checkout."""

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import starlette

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "asgi_session")
_SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Not all builds of Python 3.11 know it: Debian's is 3.11.2."""
_FAILED = "Starlette's own session tests could not be downloaded. Check the network, or `pip download starlette` by hand."


def starlettes_tests() -> Path:
    """A folder with `tests/` of the installed version. Downloaded once; raises RuntimeError with a line that says what to do."""
    home = _CACHE / f"starlette-{starlette.__version__}"
    if not home.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            _download(Path(folder))
            with tarfile.open(next(Path(folder).glob("starlette-*.tar.gz"))) as packed:
                packed.extractall(folder, **_SAFELY)
            (Path(folder) / home.name / "starlette").rename(Path(folder) / "not the installed one")
            try:
                (Path(folder) / home.name).rename(home)  # last, so that a folder by this name is always complete
            except OSError:
                if not home.exists():  # another run was faster, else
                    raise
    return home


def _download(folder: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-binary", "starlette", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, f"starlette=={starlette.__version__}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{_FAILED}\n{done.stderr.strip()[-500:]}")
