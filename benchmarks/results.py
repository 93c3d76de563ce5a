"""The results on disk: one JSON file for each benchmark, of its newest run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Row


@dataclass(frozen=True)
class Result:
    """One benchmark's run."""

    benchmark: str
    machine: dict[str, Any]
    """See `machine.description`."""
    seconds: float
    """How long it took."""
    load: tuple[float, float]
    """The machine's load when it began and when it ended; the benchmark itself is a part of the second."""
    rows: Sequence[Row]
    command: str = ""
    """What made it."""


def write(result: Result, folder: Path) -> None:
    """Replace what the folder has of this benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (folder / f"{result.benchmark}.json").write_text(text + "\n", encoding="utf-8")


def read(benchmark: str, folder: Path) -> Result | None:
    """What the folder has of this benchmark."""
    path = folder / f"{benchmark}.json"
    if not path.exists():
        return None
    return Result(**json.loads(path.read_text(encoding="utf-8")))
