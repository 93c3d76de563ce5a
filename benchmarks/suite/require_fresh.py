"""Whether a request that asks for what is slow makes others wait."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_most
from benchmarks.children import Child
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS
from benchmarks.servers import Server
from benchmarks.statistics import percentile
from benchmarks.visits import Visits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARE = 0.05
_FRESH, _OTHERS = "200 ann fresh", {"200 ann cached", "200 ann loaded"}
_ALONE, _BESIDE, _ASKING = "nobody asks", "the others, while 5 % ask", "those who ask"


def measure(lab: Lab) -> Iterator[Row]:
    """A row for those who wait for nobody, for those beside whom somebody asks, and for those who ask."""
    sessions, rate, seconds, turns = lab.scaled((200, 1_000, 4, 6), (50, 300, 1, 1))
    calm = Visits(sessions, rate, seconds)
    slices: dict[str, list[Sequence[float]]] = {_ALONE: [], _BESIDE: [], _ASKING: []}
    with (
        lab.child("benchmarks.roles.filler:Filler") as filler,
        lab.child("benchmarks.roles.pacer:Pacer") as pacer,
        Server(CONTENDERS["asgi_session watched"], lab.site(), workers=1) as server,
    ):
        filler.call("open", redis_url=lab.redis.url)
        credentials = [f"Cookie: session={credential}" for credential in filler.call("create", count=sessions)]
        filler.call("close")
        server.wait_ready()
        _run(pacer, server, credentials, calm)
        for turn in range(turns):
            lab.step(f"slice {turn + 1} of {turns}")
            others, _ = _run(pacer, server, credentials, calm)
            slices[_ALONE].append(others)
            others, asking = _run(pacer, server, credentials, replace(calm, fresh=_SHARE))
            slices[_BESIDE].append(others)
            slices[_ASKING].append(asking)
    for who, latencies in slices.items():
        yield _row(who, latencies)


def _run(pacer: Child, server: Server, credentials: Sequence[str], visits: Visits) -> tuple[list[float], list[float]]:
    """Latencies of those who don't ask, and of those who do."""
    answers: Mapping[str, list[float]] = pacer.call("run", port=server.port, credentials=credentials, visits=asdict(visits))
    if wrong := answers.keys() - _OTHERS - {_FRESH}:
        raise RuntimeError(f"Some answers were wrong: {wrong}")
    return [latency for answer in _OTHERS for latency in answers.get(answer, [])], answers.get(_FRESH, [])


def _row(who: str, slices: Sequence[Sequence[float]]) -> Row:
    p99s = [percentile(latencies, 99) for latencies in slices]
    return {
        "who": who,
        "requests": sum(map(len, slices)),
        "p50": median(percentile(latencies, 50) for latencies in slices),
        "p95": median(percentile(latencies, 95) for latencies in slices),
        "p99": median(p99s),
        "p99s": p99s,
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """Others keep their p99."""
    p99s = {row["who"]: row["p99s"] for row in rows}
    ratio = median(beside / alone for beside, alone in zip(p99s[_BESIDE], p99s[_ALONE], strict=True))
    what = "p99 of the other requests while 5 % ask require_fresh, against nobody asking"
    return [at_most(what, 1.25, ratio, "×", note="a quarter is left to chance", miss=_BUSY)]


_BUSY = Miss(
    "who asks awaits Redis and blocks nobody, but the command costs the worker CPU as any load does, and others wait behind that.",
    "less CPU for a command to Redis.",
)


def plot(rows: Sequence[Row]) -> "Figure":
    """The three, side by side."""
    from benchmarks.report.plots import ranges

    return ranges(
        {row["who"]: row for row in rows},
        title="Who asks for a fresh check waits for it alone",
        label="ms from the moment when the request was due, logarithmic",
        marks=("p50", "p95", "p99"),
    )


BENCHMARK = Benchmark(
    name="require_fresh",
    title="A fresh check: who asks for it pays alone",
    explanation="""\
`await session.require_fresh()` asks Redis whatever is cached, before a payment for example. One uvicorn worker has 1,000 requests a
second over 200 sessions that its L1 knows; for 4 s nobody asks, for the next 4 s one request in twenty does, and so on in turn.
Each number is the middle of the slices.""",
    columns=[
        Column("who", "requests of"),
        Column("requests", "requests", ",d"),
        Column("p50", "p50 ms", ".2f"),
        Column("p95", "p95 ms", ".2f"),
        Column("p99", "p99 ms", ".2f"),
    ],
    measure=measure,
    plots={"require_fresh.svg": plot},
    budgets=budgets,
)
