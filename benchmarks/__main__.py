"""`python -m benchmarks [--quick] [--million] [NAME ...]`."""

import argparse
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.status import Status

from benchmarks import machine
from benchmarks.benchmark import Benchmark
from benchmarks.children import ROOT
from benchmarks.lab import Lab
from benchmarks.report.page import write_page
from benchmarks.report.tables import table, verdict_table
from benchmarks.results import Result, write
from benchmarks.suite import all_benchmarks

RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs"
QUICK = ROOT / ".cache" / "benchmarks"
"""Where a quick run writes: its numbers are no results."""
_ATTEMPTS_OF_A_QUICK_RUN = 2
"""It asks whether a benchmark works at all: a machine that stands still for a moment makes one fail once, rot fails twice."""


class StatusLine:
    """What is being done, in the terminal's last line; nothing where there is no terminal."""

    def __init__(self, benchmark: Benchmark, status: Status) -> None:
        self._benchmark = benchmark
        self._status = status

    def step(self, text: str) -> None:
        """Show it."""
        self._status.update(f"{self._benchmark.name}: {text}")


def run(benchmark: Benchmark, console: Console, command: str, *, quick: bool) -> Result:
    """Run one benchmark, from its services' start to their end."""
    load, began = machine.load(), time.monotonic()
    with console.status(benchmark.name) as status, Lab(StatusLine(benchmark, status), quick=quick) as lab:
        described = machine.description(lab.redis.cli.info("server")["redis_version"])
        rows = list(benchmark.measure(lab))
    return Result(benchmark.name, described, time.monotonic() - began, (load, machine.load()), rows, command)


def attempt(benchmark: Benchmark, console: Console, command: str, *, quick: bool) -> Result | None:
    """Run it, a quick one once more where it fails; None where nothing came of it, and the traceback says why."""
    for again in range(_ATTEMPTS_OF_A_QUICK_RUN if quick else 1):
        if again:
            print("Trying it once more ...", flush=True)
        try:
            return run(benchmark, console, command, quick=quick)
        except Exception:  # noqa: BLE001  # the others took half an hour
            traceback.print_exc()
    return None


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return the exit code."""
    known = all_benchmarks()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks; all of them by default.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="only see that everything works; the numbers mean nothing")
    parser.add_argument("--million", action="store_true", help="also the large data set: a million sessions")
    parser.add_argument("--render", action="store_true", help="measure nothing; write the page anew from the results")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console, command = Console(), " ".join(["python3 noxfile.py bench", *(["--", *arguments] if arguments else [])])
    results, docs = (QUICK / "results", QUICK / "docs") if chosen.quick else (RESULTS, DOCS)
    failed = []
    for benchmark in [] if chosen.render else asked_for(known, chosen.names, million=chosen.million):
        print(f"\n{benchmark.title} ...", flush=True)
        result = attempt(benchmark, console, command, quick=chosen.quick)
        if result is None:
            failed.append(benchmark.name)
        else:
            write(result, results)
            show(benchmark, result)
    write_page(known, results, docs)
    print(f"Written: {_relative(docs / 'benchmarks.md')}, {_relative(results)}/")
    if failed:
        print(f"Failed, so what the page says of them is older or missing: {', '.join(failed)}")
    return 1 if failed else 0


def asked_for(known: Mapping[str, Benchmark], names: Sequence[str], *, million: bool) -> list[Benchmark]:
    """Those of these names, or all but the large ones; the large ones too where they are wanted."""
    return [
        benchmark
        for name, benchmark in known.items()
        if name in names or (benchmark.large and million) or not (names or benchmark.large)
    ]


def show(benchmark: Benchmark, result: Result) -> None:
    """Print the table."""
    print(table(benchmark.columns, result.rows, "simple"))
    if verdicts := benchmark.budgets(result.rows):
        print("\n" + verdict_table(verdicts, "simple"))
    print(f"\n{result.seconds:.0f} s", flush=True)


def _relative(path: Path) -> Path:
    return path.relative_to(ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
