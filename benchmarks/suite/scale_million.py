"""What `scale_keys` measures, up to a million sessions; a benchmark of its own, so that its result outlives the runs without it."""

from collections.abc import Iterator, Sequence

from benchmarks.benchmark import Benchmark, Row, Verdict
from benchmarks.budgets import number
from benchmarks.lab import Lab
from benchmarks.suite import scale_keys


def measure(lab: Lab) -> Iterator[Row]:
    """The smaller numbers again, since one run's rows can be compared."""
    yield from scale_keys.load_and_read(lab, lab.scaled((1_000, 10_000, 100_000, 1_000_000), (1_000, 3_000)))


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """That it was done, and with what result; nothing was promised of the numbers."""
    most = max(rows, key=lambda row: int(row["sessions"]))
    said = f"loaded in {most['seconds']:,.0f} s, {most['memory']:,.0f} MB of Redis, a read p99 {number(most['p99'])} ms"
    return [Verdict(f"{most['sessions']:,} sessions in Redis", "documented", said, met=True)]


BENCHMARK = Benchmark(
    name="scale_million",
    title="Scale: a million sessions in Redis",
    explanation="""\
The same as in the section before, in a run of its own up to a million sessions. It takes some minutes and 2 GB of memory, so it is
made with `-- --million` only, and is as old as the line under its table says.""",
    columns=scale_keys.COLUMNS,
    measure=measure,
    plots={"scale_million.svg": scale_keys.plot},
    budgets=budgets,
    large=True,
)
