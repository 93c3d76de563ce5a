"""What uvicorn imports: the contender that the environment names. Needs the standard library only."""

import json
import logging
import os
from pathlib import Path

from benchmarks.contenders.site import ASGIApp, Site
from benchmarks.hosting import application_of
from benchmarks.registry import CONTENDERS

CONTENDER, SITE = "BENCHMARKS_CONTENDER", "BENCHMARKS_SITE"
"""Its name; a file with the `Site` as JSON (its tokens would be too long for the environment)."""


def app() -> ASGIApp:
    """The application; a factory."""
    logging.disable(logging.WARNING)  # about what is right for a benchmark only
    return application_of(CONTENDERS[os.environ[CONTENDER]], Site(**json.loads(Path(os.environ[SITE]).read_text(encoding="utf-8"))))
