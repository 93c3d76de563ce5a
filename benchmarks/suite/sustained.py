"""A steady load over many sessions."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from asgi_session.cache.policy import CachePolicy
from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_least, at_most
from benchmarks.lab import Lab
from benchmarks.machine import allow_open_files
from benchmarks.registry import CONTENDERS
from benchmarks.servers import Server
from benchmarks.statistics import percentile
from benchmarks.trips import trips_of
from benchmarks.visits import SHARED_CONNECTIONS, Visits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGES, _SINGLE, _ALIKE = "pages, some often", "single, some often", "single, all alike"
_TOKENS = "pages, some often, with bearer JWTs"
_PATTERNS: Mapping[str, Mapping[str, Any]] = {
    _PAGES: {"skew": 1, "page": 5},
    _SINGLE: {"skew": 1},
    _ALIKE: {"own_connections": True},
    _TOKENS: {"skew": 1, "page": 5},
}
_SPARE_FILES = 200
_KINDS = {"200 ann cached": "L1 hit", "200 ann loaded": "loaded and validated"}


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each pattern of visits."""
    sessions, rate, seconds = lab.scaled((10_000, 1_000, 60), (500, 300, 2))
    room = allow_open_files(sessions + _SPARE_FILES)
    for pattern, how in lab.scaled(_PATTERNS, {name: _PATTERNS[name] for name in (_PAGES, _ALIKE, _TOKENS)}).items():
        visits = Visits(sessions, rate, seconds, **how)
        if not room:
            visits = replace(visits, own_connections=False)
        lab.flush()
        yield _measure(lab, pattern, visits)


def _measure(lab: Lab, pattern: str, visits: Visits) -> Row:
    tokens = pattern == _TOKENS
    lab.step(f"{pattern}: creating {visits.sessions} credentials")
    site = lab.site(tokens=visits.sessions if tokens else 0)
    with (
        lab.child("benchmarks.roles.pacer:Pacer") as pacer,
        Server(CONTENDERS["asgi_session watched tokens" if tokens else "asgi_session watched"], site, workers=1) as server,
    ):
        credentials = [f"Authorization: Bearer {token}" for token in site.tokens] or _cookies(lab, visits.sessions)
        server.wait_ready()
        lab.step(f"{pattern}: {visits.rate} requests/s for {visits.seconds} s")
        began, cpu = time.monotonic(), server.cpu_seconds()
        with lab.traffic() as traffic:
            answers = pacer.call("run", port=server.port, credentials=credentials, visits=asdict(visits))
        busy = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
        memory = server.memory_bytes()
    row = _row(pattern, visits, answers)
    return row | {"trips": trips_of(traffic) / row["requests"], "busy": 100 * busy, "memory": memory / 1e6}


def _cookies(lab: Lab, count: int) -> list[str]:
    """The header lines of so many new sessions."""
    with lab.child("benchmarks.roles.filler:Filler") as filler:
        filler.call("open", redis_url=lab.redis.url)
        created = filler.call("create", count=count)
        filler.call("close")
    return [f"Cookie: session={credential}" for credential in created]


def _row(pattern: str, visits: Visits, answers: Mapping[str, Sequence[float]]) -> Row:
    wrong = {answer[:60]: len(latencies) for answer, latencies in answers.items() if answer not in _KINDS}
    kinds = {name: _spread(answers[answer]) for answer, name in _KINDS.items()}
    everything = [latency for answer in _KINDS for latency in answers[answer]]
    return {
        "pattern": pattern,
        "sessions": visits.sessions,
        "rate": visits.rate,
        "seconds": visits.seconds,
        "connections": visits.sessions if visits.own_connections else SHARED_CONNECTIONS,
        "requests": len(everything),
        **_spread(everything),
        "hits": 100 * len(answers["200 ann cached"]) / len(everything),
        "possible": None if pattern == _TOKENS else 100 * visits.possible_hits(CachePolicy().max_age),
        "endless": 100 * visits.possible_hits(visits.seconds),
        "hit_p95": kinds["L1 hit"]["p95"],
        "load_p95": kinds["loaded and validated"]["p95"],
        "errors": sum(wrong.values()),
        "wrong": wrong,
        "kinds": kinds,
    }


def _spread(latencies: Sequence[float]) -> dict[str, float]:
    return {f"p{share}": percentile(latencies, share) for share in (50, 95, 99)} | {"max": max(latencies)}


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What the requirements ask for under load."""
    tokens = [row for row in rows if row["pattern"] == _TOKENS]
    sessions = {row["pattern"]: row for row in rows if row not in tokens}
    pages, alike = sessions[_PAGES], sessions[_ALIKE]
    said = f"{pages['rate']:,} requests/s for {pages['seconds']} s over {pages['sessions']:,} sessions"
    loads, trips = (max(row[key] for row in sessions.values()) for key in ("load_p95", "trips"))
    verdicts = [
        at_most(f"{said}: errors", 0, sum(row["errors"] for row in rows), miss=_AWAY),
        at_most(f"{said}, the worst pattern: p95", 10, max(row["p95"] for row in sessions.values()), "ms", miss=_BUSY),
        at_most("steady load, hits in the L1: p95", 2, pages["hit_p95"], "ms", miss=_BUSY),
        at_most("steady load, loads with full validation, the worst pattern: p95", 10, loads, "ms", miss=_BUSY),
        *(at_most("steady load, bearer JWTs at first sight: p95", 20, row["load_p95"], "ms", miss=_BUSY) for row in tokens),
        Verdict("token refresh, the package's own part: p95", "≤ 100 ms", "it refreshes no tokens yet", met=None),
        at_most("steady load, trips to Redis for one request, the worst pattern", 1, trips),
        *(
            at_least(
                f"steady load, answered out of the L1, from cold ({row['pattern']})", 90, row["hits"], "%", miss=_few_hits(row)
            )
            for pattern, row in sessions.items()
            if pattern != _ALIKE
        ),
    ]
    if alike["connections"] == alike["sessions"]:
        what = f"{alike['sessions']:,} users, each over an open connection of his own, on one worker: p95"
        verdicts.append(at_most(what, 10, alike["p95"], "ms", miss=_BUSY))
    return verdicts


_BUSY = Miss(
    "client, server and Redis share the cores of one machine; a worker that is busy for a share of the time lets others wait.",
    "a core for each of them, or a second worker.",
)


_AWAY = Miss(
    "a worker that gets no CPU for longer than the deadline of a command takes Redis for away, and says 503 until it has proved "
    "alive.",
    "a machine with nothing else to do, or longer deadlines for Redis.",
)


def _few_hits(row: Row) -> Miss:
    return Miss(
        f"an entry lives for 30 s at most, whatever the link says, so a session that is seldom visited is loaded each time: with "
        f"these visits, from cold, no cache of that lifetime answers more than {row['possible']:.0f} %, and one that never forgets "
        f"{row['endless']:.0f} %.",
        "visitors who make several requests, as those who load pages do; `CachePolicy(max_age=120)`, for a process that runs for "
        "longer than a minute.",
    )


def plot(rows: Sequence[Row]) -> "Figure":
    """What a hit and a load take, for each pattern."""
    from benchmarks.report.plots import ranges

    return ranges(
        {f"{row['pattern']}: {name}": kind for row in rows for name, kind in row["kinds"].items()},
        title=f"{rows[0]['rate']:,} requests a second over {rows[0]['sessions']:,} sessions, one worker",
        label="ms from the moment when the request was due, logarithmic",
        marks=("p50", "p95", "p99"),
        bounds={2: "budget: p95 of a hit", 10: "budget: p95 of a load"},
    )


BENCHMARK = Benchmark(
    name="sustained",
    title="A steady load: 1,000 requests a second",
    explanation="""\
One uvicorn worker with one rate limit, 10,000 sessions in Redis, the L1 cold. A client asks at a fixed rate for 60 s; a latency
counts from the moment when the request was due, so that what waits behind a slow answer is not forgotten. An answer other than the
session's data is an error. The visitors come in four ways:

- *pages, some often*: as people use a site. A visit is five requests, a tenth of a second after each other, and how often a visitor
  comes falls with the rank as with words in a text (Zipf). Judged.
- *single, some often*: the same without pages.
- *single, all alike*: **10,000 concurrent users on one worker**, each with a session and an open connection of his own (where the
  machine allows so many open files; the column says so), each asking every 10 s. An entry's life of 30 s is then three hits for
  each load, so 75 % in the long run, and less from cold.
- *pages, some often, with bearer JWTs*: 10,000 users, each with a token of his own in place of a session; what is loaded there is
  a token at first sight, whose signature and claims are verified.

`At best` is what any cache can answer that begins empty and keeps an entry for 30 s, by arithmetic.""",
    columns=[
        Column("pattern", "visits"),
        Column("connections", "connections", ",d"),
        Column("requests", "requests", ",d"),
        Column("p50", "p50 ms", ".2f"),
        Column("p95", "p95 ms", ".2f"),
        Column("p99", "p99 ms", ".2f"),
        Column("max", "max ms", ".1f"),
        Column("hit_p95", "hit p95 ms", ".2f"),
        Column("load_p95", "load p95 ms", ".2f"),
        Column("hits", "out of the L1, %", ".1f"),
        Column("possible", "at best, %", ".1f"),
        Column("trips", "trips for one request", ".3f"),
        Column("busy", "worker's CPU, %", ".0f"),
        Column("memory", "worker's MB", ".0f"),
        Column("errors", "errors", "d"),
    ],
    measure=measure,
    plots={"sustained.svg": plot},
    budgets=budgets,
)
