"""docs/benchmarks.md and its pictures, out of the results on disk."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.report.plots import save
from benchmarks.report.tables import table, verdict_table
from benchmarks.results import Result, read

_INTRODUCTION = """\
# Benchmarks

<!-- Written by `python -m benchmarks`; what you change here is lost with the next run. -->

`python3 noxfile.py bench` runs all of this and writes this page, its pictures and `benchmarks/results/*.json`; `-- NAME` runs one
benchmark, `-- --quick` only sees that they work, `-- --million` takes the large data sets too.

How to read it: contenders take turns in many short rounds of one run, and the middle of the rounds counts, so compare within a
table, not between machines. Under each table stands where and when it was measured, and how busy the machine was. Each peer is
set up as its documentation says (`benchmarks/contenders/`); no two of them do the same, so the first table also says what each one
leaves out.
"""


def write_page(benchmarks: Mapping[str, Benchmark], results: Path, docs: Path) -> None:
    """Make page and pictures of whatever results there are."""
    found = [(benchmark, result) for benchmark in benchmarks.values() if (result := read(benchmark.name, results))]
    for benchmark, result in found:
        for name, plot in benchmark.plots.items():
            save(plot(result.rows), docs / "images" / name)
    verdicts = [verdict for benchmark, result in found for verdict in benchmark.budgets(result.rows)]
    sections = [_section(benchmark, result) for benchmark, result in found]
    budgets = ["## Budgets\n\nWhat the project set itself, and what it measured.\n\n" + verdict_table(verdicts, "github") + "\n"]
    (docs / "benchmarks.md").write_text("\n".join([_INTRODUCTION, *budgets, *sections]), encoding="utf-8")


def _section(benchmark: Benchmark, result: Result) -> str:
    pictures = [f"![{benchmark.title}](images/{name})\n" for name in benchmark.plots]
    return "\n".join(
        [
            f"## {benchmark.title}\n",
            f"{benchmark.explanation.strip()}\n",
            *pictures,
            f"{table(benchmark.columns, result.rows, 'github')}\n",
            f"<sub>{_provenance(result)}</sub>\n",
        ]
    )


def _provenance(result: Result) -> str:
    machine = result.machine
    before, after = result.load
    versions = {name: version for row in result.rows for name, version in row.get("versions", {}).items()}
    packages = ", ".join(f"{name} {version}" for name, version in sorted({**machine["versions"], **versions}.items()))
    return (
        f"{machine['date']}, commit {machine['commit'] or 'unknown'}; {machine['cpu']}, {machine['cores']} cores, "
        f"Linux {machine['kernel']}; {machine['python']}, Redis {machine['redis_server']}; {packages}. "
        f"Load {before:.1f} before, {after:.1f} after; took {result.seconds:.0f} s."
    )
