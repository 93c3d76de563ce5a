"""How many sessions Redis holds, how fast they are loaded into it, and what a read takes among them."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row
from benchmarks.lab import Lab
from benchmarks.statistics import percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOADERS = 2
_SESSIONS_OF_A_USER = 3


COLUMNS = [
    Column("sessions", "sessions", ",d"),
    Column("seconds", "loaded in s", ",.1f"),
    Column("rate", "a second", ",.0f"),
    Column("memory", "Redis MB", ",.1f"),
    Column("each", "bytes each", ",.0f"),
    Column("p50", "read p50 ms", ".3f"),
    Column("p99", "read p99 ms", ".3f"),
]


def measure(lab: Lab) -> Iterator[Row]:
    """Up to the most that takes seconds."""
    yield from load_and_read(lab, lab.scaled((1_000, 10_000, 100_000), (2_000,)))


def load_and_read(lab: Lab, steps: Sequence[int]) -> Iterator[Row]:
    """A row for each number of sessions; each begins with what the one before has loaded."""
    lab.flush()
    before, there, spent = lab.redis_memory(), 0, 0.0
    with lab.children("benchmarks.roles.filler:Filler", _LOADERS) as fillers:
        for filler in fillers:
            filler.call("open", redis_url=lab.redis.url)
        for sessions in steps:
            lab.step(f"loading up to {sessions:,} sessions")
            began = time.monotonic()
            share = (sessions - there) // _LOADERS
            users = sessions // _SESSIONS_OF_A_USER
            for number, filler in enumerate(fillers):
                filler.tell("create", count=share, first=there + number * share, users=users, keep=lab.scaled(5_000, 100))
            credentials = [credential for filler in fillers for credential in filler.answer()]
            spent += time.monotonic() - began
            there = sessions
            lab.step(f"reading among {sessions:,} sessions")
            latencies = fillers[0].call("validate", credentials=credentials)
            memory = lab.redis_memory() - before
            yield {
                "sessions": sessions,
                "seconds": spent,
                "rate": sessions / spent,
                "memory": memory / 1e6,
                "each": memory / sessions,
                "p50": percentile(latencies, 50),
                "p99": percentile(latencies, 99),
            }
        for filler in fillers:
            filler.call("close")


def plot(rows: Sequence[Row]) -> "Figure":
    """Time of a read by number of sessions."""
    from benchmarks.report.plots import lines

    series = {name: [(row["sessions"], row[key]) for row in rows] for name, key in (("p50", "p50"), ("p99", "p99"))}
    return lines(series, title="What a read from Redis takes, by the sessions that are there", x="sessions in Redis", y="ms")[0]


BENCHMARK = Benchmark(
    name="scale_keys",
    title="Scale: sessions in Redis",
    explanation="""\
Two processes create sessions of some 300 bytes, three for each user; then sessions are read in turn, one at a time, each asked of
Redis (the manager has no L1). From a thousand to a hundred thousand sessions; a million has a section of its own, where it was
measured (`-- --million`).""",
    columns=COLUMNS,
    measure=measure,
    plots={"scale_keys.svg": plot},
)
