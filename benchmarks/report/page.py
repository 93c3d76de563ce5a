"""docs/benchmarks.md and its pictures, out of the results on disk."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tabulate import tabulate

from benchmarks.benchmark import Benchmark, Miss, Row, Verdict
from benchmarks.report.plots import save
from benchmarks.report.tables import became, table
from benchmarks.results import Result, read

Found = Sequence[tuple[Benchmark, Result]]

_LONG = 14
"""Rows from which a table is folded away under its picture."""
_UNEXPLAINED = "Nobody has looked into it yet."
_INTRODUCTION = """\
# Benchmarks

<!-- Written by `python -m benchmarks`; what you change here is lost with the next run. -->

What `asgi_session` costs, beside the packages that people use instead, and what it promised. Contenders take turns in many short
rounds of one run, and the middle of the rounds counts: compare within a table, not between machines. In the pictures **ours is
blue**, others are orange, and grey is the floor that nobody gets below.
"""
_AGAIN = """\
`python3 noxfile.py bench` measures all of this in about half an hour, and writes this page, its pictures and
`benchmarks/results/*.json`. `-- NAME` runs one benchmark; `-- --million` all of them and the large data set, whose result stays
here until it is made again; `-- --quick` only sees that all of them work. Each peer is set up as its documentation says
(`benchmarks/contenders/`). Use an idle machine: each section says how busy it was.
"""


def write_page(benchmarks: Mapping[str, Benchmark], results: Path, docs: Path) -> None:
    """Make page and pictures of whatever results there are."""
    found = [(benchmark, result) for benchmark in benchmarks.values() if (result := read(benchmark.name, results))]
    for benchmark, result in found:
        for name, plot in benchmark.plots.items():
            save(plot(result.rows), docs / "images" / name)
    newest = max((result for _, result in found), key=lambda result: str(result.machine["date"]), default=None)
    pieces = [_INTRODUCTION, *_budgets(found), *_again(found), *(_section(*one, newest) for one in found)]
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "benchmarks.md").write_text("\n".join(pieces), encoding="utf-8")


def _budgets(found: Found) -> Iterable[str]:
    judged = [(benchmark, verdict) for benchmark, result in found for verdict in benchmark.budgets(result.rows)]
    outcomes = Counter(verdict.met for _, verdict in judged)
    asked_too_early = f", {outcomes[None]} of what does not exist yet" if outcomes[None] else ""
    yield f"## Budgets: {outcomes[True]} of {outcomes[True] + outcomes[False]} met{asked_too_early}\n"
    yield "\n".join(f"- {what}: {of}" for what, of in _made(found).items()) + "\n"
    cells, before = [], None
    for benchmark, verdict in judged:
        where = "" if benchmark is before else _link(benchmark, benchmark.title.partition(":")[0])
        cells.append([where, verdict.what, verdict.budget, verdict.measured, became(verdict)])
        before = benchmark
    yield tabulate(cells, ["", "what", "budget", "measured", ""], tablefmt="github", disable_numparse=True) + "\n"
    missed = [verdict for _, verdict in judged if verdict.met is False]
    if missed:
        yield "### What is missed, why, and what would reach it\n"
        yield "\n".join(_miss(miss, list(alike)) for miss, alike in groupby(missed, lambda verdict: verdict.miss)) + "\n"


def _miss(miss: Miss | None, verdicts: Sequence[Verdict]) -> str:
    """What is missed for one reason."""
    said = "; ".join(f"**{verdict.what}**: {verdict.measured} instead of {verdict.budget}{_by(verdict)}" for verdict in verdicts)
    if miss is None:
        return f"- {said}. {_UNEXPLAINED}"
    return f"- {said}.  \n  *Why:* {miss.why}  \n  *What would reach it:* {miss.remedy}"


def _by(verdict: Verdict) -> str:
    return f", missed by {verdict.by}" if verdict.by else ""


def _made(found: Found) -> dict[str, str]:
    """Where, when, by what and of what all this was made; several things where the results are of several runs."""
    results = [result for _, result in found]
    versions = {name: version for result in results for name, version in _versions(result).items()}
    return {
        "machine": _distinct(map(_machine, results)),
        "date": _distinct(str(result.machine["date"])[:10] for result in results),
        "command": _distinct(f"`{result.command}`" for result in results if result.command),
        "commit": _distinct(str(result.machine["commit"]) or "unknown" for result in results),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        "took": f"{sum(result.seconds for result in results) / 60:.0f} minutes",
    }


def _again(found: Found) -> Iterable[str]:
    yield f"## How to do it again\n\n{_AGAIN}"
    yield "## What is measured\n\n" + "\n".join(f"- {_link(benchmark)}" for benchmark, _ in found) + "\n"


def _section(benchmark: Benchmark, result: Result, newest: Result | None) -> str:
    pictures = [f"![{benchmark.title}](images/{name})\n" for name in benchmark.plots]
    pieces = [f"## {benchmark.title}\n", f"{benchmark.explanation.strip()}\n", *pictures, *_tables(benchmark, result.rows)]
    return "\n".join([*pieces, f"<sub>{_provenance(result, newest)}</sub>\n"])


def _tables(benchmark: Benchmark, rows: Sequence[Row]) -> Iterable[str]:
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(str(row.get(benchmark.split, "")), []).append(row)
    drawn = [
        "\n".join([*([f"**{part}**\n"] if part else []), table(benchmark.columns, rows_of_it, "github"), ""])
        for part, rows_of_it in parts.items()
    ]
    yield _folded(f"All {len(rows)} rows", drawn) if benchmark.plots and len(rows) > _LONG else "\n".join(drawn)
    omits = [[row["contender"], row["omits"]] for row in rows if row.get("omits")]
    if omits:
        leaves_out = tabulate(omits, ["contender", "what it does not do, and ours does"], tablefmt="github")
        yield _folded("What the others leave out", [leaves_out, ""])


def _folded(summary: str, pieces: Sequence[str]) -> str:
    return "\n".join([f"<details><summary>{summary}</summary>\n", *pieces, "</details>\n"])


def _provenance(result: Result, newest: Result | None) -> str:
    before, after = result.load
    said = [f"Measured {result.machine['date'].replace('T', ' ')[:16]} UTC in {result.seconds:.0f} s"]
    said.append(f"load {before:.1f} before, {after:.1f} after")
    if "loop" in result.machine:
        said.append(f"a million additions in Python took {result.machine['loop']:.0f} ms of CPU before it")
    if newest is not None and (_machine(result), result.machine["commit"]) != (_machine(newest), newest.machine["commit"]):
        said.append(f"{_machine(result)}, commit {result.machine['commit']}")
    return "; ".join(said) + "."


def _machine(result: Result) -> str:
    one = result.machine
    return f"{one['cpu']}, {one['cores']} cores, Linux {one['kernel']}, {one['python']}, Redis {one['redis_server']}"


def _versions(result: Result) -> dict[str, str]:
    return result.machine["versions"] | {name: version for row in result.rows for name, version in row.get("versions", {}).items()}


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))


def _link(benchmark: Benchmark, text: str = "") -> str:
    """To its section, as GitHub names its place."""
    place = re.sub(r"[^\w\- ]", "", benchmark.title.lower()).replace(" ", "-")
    return f"[{text or benchmark.title}](#{place})"
