"""Environments for contenders that can't share one with the others; made once, kept in `.nox/`."""

import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = {
    # Its newest version demands redis-py 5; its extra "opt" is what its documentation recommends for speed.
    "redsession": ["redsession[opt]>=1.4", "uvicorn[standard]>=0.54"],
}
_FOLDER = Path(__file__).parent.parent / ".nox"


def python_of(environment: str) -> str:
    """The interpreter of an environment; makes the environment where it is missing or was made for other requirements."""
    if environment == "bench":
        return sys.executable
    folder = _FOLDER / f"bench-{environment}-{sys.version_info.major}{sys.version_info.minor}"
    python, complete = folder / "bin" / "python", folder / "complete"
    wanted = "\n".join(REQUIREMENTS[environment])
    if not complete.exists() or complete.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[environment]], check=True)
        complete.write_text(wanted)
    return str(python)
