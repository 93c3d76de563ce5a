"""A steady load over many sessions."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row, Verdict
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS
from benchmarks.servers import Server
from benchmarks.statistics import percentile
from benchmarks.trips import trips_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RATE = 1000
_PATTERNS = {"all alike": 0.0, "some often, most seldom": 1.0}
"""By how much a visitor's share falls with the rank: not at all, or as words in a text do (Zipf)."""


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each pattern of visits."""
    sessions, seconds, rate = lab.scaled((10_000, 60, _RATE), (500, 2, 300))
    for pattern, skew in lab.scaled(list(_PATTERNS.items()), list(_PATTERNS.items())[:1]):
        lab.flush()
        yield _measure(lab, pattern, skew, sessions, seconds, rate)


def _measure(lab: Lab, pattern: str, skew: float, sessions: int, seconds: int, rate: int) -> Row:
    with (
        lab.child("benchmarks.roles.filler:Filler") as filler,
        lab.child("benchmarks.roles.pacer:Pacer") as pacer,
        Server(CONTENDERS["asgi_session watched"], lab.site(), workers=1) as server,
    ):
        lab.step(f"{pattern}: creating {sessions} sessions")
        filler.call("open", redis_url=lab.redis.url)
        credentials = filler.call("create", count=sessions)
        filler.call("close")
        server.wait_ready()
        lab.step(f"{pattern}: {rate} requests/s for {seconds} s")
        began, cpu = time.monotonic(), server.cpu_seconds()
        with lab.traffic() as traffic:
            done = pacer.call("run", port=server.port, credentials=credentials, rate=rate, seconds=seconds, skew=skew)
        busy = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
    latencies, answers = done["latencies"], done["answers"]
    hits, loads = answers.pop("200 ann cached", 0), answers.pop("200 ann loaded", 0)
    if answers:
        raise RuntimeError(f"Under a steady load some answers were wrong: {answers}")
    return {
        "pattern": pattern,
        "sessions": sessions,
        "rate": rate,
        "requests": hits + loads,
        "p50": percentile(latencies, 50),
        "p95": percentile(latencies, 95),
        "p99": percentile(latencies, 99),
        "max": max(latencies),
        "hits": 100 * hits / (hits + loads),
        "trips": trips_of(traffic) / (hits + loads),
        "busy": 100 * busy,
        "errors": 0,
        "latencies": [percentile(latencies, share / 10) for share in range(1, 1001)],
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What the requirements ask for under load."""
    p95, hits = max(row["p95"] for row in rows), min(row["hits"] for row in rows)
    return [
        Verdict("1,000 requests/s for 60 s over 10,000 sessions: p95", "≤ 10 ms", f"{p95:.1f} ms", p95 <= 10),
        Verdict("… answered out of the L1, cold start included", "> 90 %", f"{hits:.0f} %", hits > 90),
    ]


def plot(rows: Sequence[Row]) -> "Figure":
    """How many requests were answered by when."""
    from benchmarks.report.plots import cumulative

    figure, axis = cumulative(
        {row["pattern"]: row["latencies"] for row in rows},
        title=f"{rows[0]['rate']:,} requests a second over {rows[0]['sessions']:,} sessions, one worker",
        label="ms from the moment when the request was due, logarithmic",
    )
    axis.axvline(10, color="#333333", linestyle=":", linewidth=1)
    axis.annotate("budget of the p95", (10, 0.02), (-4, 0), textcoords="offset points", rotation=90, ha="right", fontsize=8)
    return figure


BENCHMARK = Benchmark(
    name="sustained",
    title="A steady load",
    explanation="""\
One uvicorn worker with one rate limit, its sessions in Redis, the L1 cold. A client asks for a session's data at a fixed rate over
64 connections; a latency counts from the moment when the request was due, so that what waits behind a slow answer is not forgotten.
The visitors come all alike often, or as often as words in a text (Zipf): then the L1, which keeps an entry for 30 s at most, has
more of them.""",
    columns=[
        Column("pattern", "visits"),
        Column("requests", "requests", ",d"),
        Column("rate", "a second", ",d"),
        Column("p50", "p50 ms", ".2f"),
        Column("p95", "p95 ms", ".2f"),
        Column("p99", "p99 ms", ".2f"),
        Column("max", "max ms", ".1f"),
        Column("hits", "out of the L1, %", ".1f"),
        Column("trips", "trips for one request", ".3f"),
        Column("busy", "worker's CPU, %", ".0f"),
        Column("errors", "errors", "d"),
    ],
    measure=measure,
    plots={"sustained.svg": plot},
    budgets=budgets,
)
