"""How the cost of a read grows with what the session holds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from asgi_session.codec import MAX_RECORD_BYTES
from benchmarks.benchmark import Benchmark, Column, Row
from benchmarks.hosts import Hosts
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS
from benchmarks.statistics import Spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZES = (100, 300, 1_000, 4_000, 16_000, MAX_RECORD_BYTES)
_CONTENDERS = ["asgi_session L1 hit", "asgi_session L1 miss", "Starlette cookie", "starsessions", "redsession", "Litestar sessions"]
_IN_FLIGHT = 8
"""Fewer than elsewhere: large records that are decoded one after the other would let the last one wait past its deadline."""


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender and size."""
    names = lab.scaled(_CONTENDERS, _CONTENDERS[:2])
    contenders = [CONTENDERS[name] for name in dict.fromkeys([*names, *(CONTENDERS[name].bare for name in names)])]
    for size in lab.scaled(_SIZES, (_SIZES[0], _SIZES[-1])):
        lab.flush()
        with Hosts(lab, contenders, visitors=lab.scaled(64, 32), size=size) as hosts:
            costs: dict[str, list[float]] = {contender.name: [] for contender in contenders}
            for contender in contenders:
                hosts.round(contender, 128, _IN_FLIGHT)
            for turn in range(lab.scaled(9, 1)):
                lab.step(f"{size:,} bytes, round {turn + 1}")
                for contender in contenders:
                    costs[contender.name].append(hosts.round(contender, lab.scaled(256, 64), _IN_FLIGHT).cpu)
        for name in names:
            added = [cost - bare for cost, bare in zip(costs[name], costs[CONTENDERS[name].bare], strict=True)]
            yield {"contender": name, "size": size, "cpu": Spread.of(added).middle}


def plot(rows: Sequence[Row]) -> "Figure":
    """Cost by size."""
    from benchmarks.report.plots import lines

    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        series.setdefault(row["contender"], []).append((row["size"], row["cpu"]))
    return lines(series, title="What a read costs more, by what the session holds", x="bytes of data", y="µs of CPU added")[0]


BENCHMARK = Benchmark(
    name="scale_data",
    title="Scale: data in a session",
    explanation="""\
As in process, with sessions from 100 bytes to the record's limit of 64 KiB (keys and values as JSON): a name, which the handler
reads, and a list of short texts, which it doesn't. Eight requests are in flight. Starlette's cookie is driven beyond what any
browser would keep (4 KB), to show what it computes.""",
    columns=[Column("contender", "contender"), Column("size", "bytes of data", ",d"), Column("cpu", "CPU µs", ",.1f")],
    measure=measure,
    plots={"scale_data.svg": plot},
)
