"""How often Redis is asked for a request that a rate limit lets through."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row, Verdict
from benchmarks.lab import Lab

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RATES = (1, 10, 100, 300, 1000, 2000)
_ROOM = (1.25, 2, 10)
"""The limit, as a multiple of what is asked for."""
_BUSY = 100
"""Requests a second from which a key is called busy."""


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each rate and each distance to the limit, on one process and on two."""
    for processes in lab.scaled((1, 2), (1,)):
        for room in lab.scaled(_ROOM, _ROOM[-1:]):
            for rate in lab.scaled(_RATES, (100, 1000)):
                lab.step(f"{processes} process(es), {rate} requests/s, limit at {room} times that")
                yield _measure(lab, processes, rate, room)


def _measure(lab: Lab, processes: int, rate: int, room: float) -> Row:
    lab.flush()
    seconds = lab.scaled(5, 1)
    with lab.children("benchmarks.roles.limited:Limited", processes) as children:
        for child in children:
            child.call("open", redis_url=lab.redis.url, limit=f"{int(rate * room * 60)}/minute")
        begin = time.monotonic() + 0.1
        with lab.traffic() as traffic:
            for child in children:
                child.tell("paced", begin=begin, end=begin + seconds, rate=rate / processes)
            answers = [child.answer() for child in children]
        for child in children:
            child.call("close")
    granted = sum(len(answer["granted"]) for answer in answers)
    return {
        "processes": processes,
        "rate": rate,
        "room": room,
        "granted": granted,
        "refused": sum(answer["refused"] for answer in answers),
        "trips": traffic.commands.get("evalsha", 0) / granted,
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """Few trips for a busy key."""
    worst = max((row for row in rows if row["rate"] >= _BUSY), key=lambda row: row["trips"])
    said = f"{worst['trips']:.3f} ({worst['processes']} × process, {worst['rate']:,}/s, limit at {worst['room']:g} ×)"
    return [Verdict(f"trips for one request of a busy key ({_BUSY}/s and more), the most", "≤ 0.1", said, worst["trips"] <= 0.1)]


def plot(rows: Sequence[Row]) -> "Figure":
    """Trips by rate."""
    from benchmarks.report.plots import lines

    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        name = f"{row['processes']} process{'es' if row['processes'] > 1 else ''}, limit at {row['room']:g} ×"
        series.setdefault(name, []).append((row["rate"], row["trips"]))
    figure, axis = lines(
        series, title="Trips to Redis for one request that a rate limit grants", x="requests/s, logarithmic", y="trips, logarithmic"
    )
    axis.axhline(0.1, color="#333333", linestyle=":", linewidth=1)
    axis.annotate("budget of a busy key", (min(_RATES), 0.1), (0, -12), textcoords="offset points", fontsize=8)
    return figure


BENCHMARK = Benchmark(
    name="limit_trips",
    title="Rate limits: trips to Redis",
    explanation="""\
Requests of one client come at a steady rate, on one process or shared by two, while the limit of the minute is a little, twice or
ten times as high. Permits are leased in batches, as large as what a quarter of a second needed lately, so a slow key asks for each
request, and a busy one four times a second.""",
    columns=[
        Column("processes", "processes"),
        Column("rate", "requests/s", ",d"),
        Column("room", "limit at", ".2f"),
        Column("granted", "granted", ",d"),
        Column("refused", "refused", ",d"),
        Column("trips", "trips for one granted", ".3f"),
    ],
    measure=measure,
    plots={"limit_trips.svg": plot},
    budgets=budgets,
)
