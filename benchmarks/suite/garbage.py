"""What a request leaves to the cycle collector, whose pauses are the slowest requests of many servers."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row, Verdict
from benchmarks.budgets import at_most
from benchmarks.hosts import Hosts
from benchmarks.lab import Lab
from benchmarks.registry import of_group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender."""
    everybody = of_group("floor", "session", "limit", "token", "framework")
    contenders = lab.scaled(everybody, [contender for contender in everybody if contender.is_ours])
    requests = lab.scaled(512, 64)
    with Hosts(lab, contenders, visitors=lab.scaled(64, 32)) as hosts:
        for contender in contenders:
            lab.step(contender.name)
            yield {"contender": contender.name, "objects": hosts.garbage(contender, requests)}


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """None at all."""
    ours = [row for row in rows if row["contender"].startswith("asgi_session ") and " under " not in row["contender"]]
    worst = max(ours, key=lambda row: float(row["objects"]))
    said = worst["contender"].removeprefix("asgi_session ")
    return [at_most("objects in reference cycles that a request leaves, the most", 0, worst["objects"], note=said, slack=0.05)]


def plot(rows: Sequence[Row]) -> "Figure":
    """Of ours, those of a request as most are: the others leave no more."""
    from benchmarks.report.plots import bars_by_group

    ours = {"asgi_session L1 hit, 1 rule", "asgi_session L1 miss", "asgi_session JWT seen before", "asgi_session under FastAPI"}
    shown = [row for row in rows if row["contender"] in ours or not row["contender"].startswith("asgi_session")]
    title = "What a request leaves to the cycle collector: less is better"
    return bars_by_group({"": shown}, title=title, label="objects", keys=("objects", "objects", "objects"))


BENCHMARK = Benchmark(
    name="garbage",
    title="Garbage: reference cycles for each request",
    explanation="""\
The cycle collector is switched off, each visitor reads in turn, and then it is asked how many objects it found that nothing but
itself could free. What a framework leaves is its own: see the bare ones.""",
    columns=[Column("contender", "contender"), Column("objects", "objects in cycles for one request", ".2f")],
    measure=measure,
    plots={"garbage.svg": plot},
    budgets=budgets,
)
