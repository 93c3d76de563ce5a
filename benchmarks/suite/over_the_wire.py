"""Requests a second over real sockets."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row, Verdict
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS, Contender
from benchmarks.servers import Server
from benchmarks.statistics import Spread
from benchmarks.wrk import Load, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SERVED = {
    "No framework": [
        "bare ASGI", "asgi_session memory", "asgi_session L1 hit", "asgi_session L1 hit, 1 rule", "asgi_session L1 hit, 3 rules",
        "asgi_session L1 miss", "asgi_session JWT seen before", "asgi_session JWT first sight", "Starlette cookie", "starsessions",
        "redsession", "PyJWT", "joserfc", "fastapi-keycloak",
    ],
    "Under a framework": [
        "bare FastAPI", "asgi_session under FastAPI", "Starlette cookie under FastAPI", "crudauth", "fastapi-limiter Redis",
        "slowapi Redis", "bare Litestar", "Litestar sessions", "bare Quart", "quart-session",
    ],
}  # fmt: skip
_QUICK = [
    "bare ASGI",
    "asgi_session L1 hit, 1 rule",
    "Starlette cookie",
    "redsession",
    "bare FastAPI",
    "asgi_session under FastAPI",
]
_OF_ONE_PROCESS = {"asgi_session memory"}
"""Sessions that a second worker would not know."""


def served() -> list[str]:
    """All contenders that are served."""
    return [name for names in _SERVED.values() for name in names]


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender, with one worker and then with two."""
    for workers in (1, 2):
        names = [name for name in served() if not lab.quick or name in _QUICK]
        if workers > 1:
            names = [name for name in lab.scaled(names, names[1:2]) if name not in _OF_ONE_PROCESS]
        yield from _measure(lab, [CONTENDERS[name] for name in names], workers)


def _measure(lab: Lab, contenders: Sequence[Contender], workers: int) -> Iterator[Row]:
    visitors, turns = lab.scaled((128, 9), (4, 1))
    site = lab.site(tokens=visitors)
    loads: dict[str, list[Load]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(contender, site, workers)) for contender in contenders]
        credentials = {}
        for server in servers:
            lab.step(f"{workers} worker(s): starting {server.contender.name}")
            server.wait_ready()
            credentials[server] = server.credentials(visitors)
            if not lab.quick:
                load(server.url, credentials[server], 1)
        for turn in range(turns):
            for server in servers:
                lab.step(f"{workers} worker(s), round {turn + 1} of {turns}: {server.contender.name}")
                before = server.cpu_seconds()
                done = load(server.url, credentials[server], 1)
                loads[server.contender.name].append(done)
                cpu[server.contender.name].append(1e6 * (server.cpu_seconds() - before) / done.requests)
    for contender in contenders:
        yield _row(contender, workers, loads[contender.name], cpu[contender.name])


def _row(contender: Contender, workers: int, loads: Sequence[Load], cpu: Sequence[float]) -> Row:
    rate = Spread.of([load.rate for load in loads])
    return {
        "workers": workers,
        "contender": contender.name,
        "rate": rate.middle,
        "rate_low": rate.low,
        "rate_high": rate.high,
        "cpu": Spread.of(cpu).middle,
        "p50": Spread.of([load.p50 for load in loads]).middle,
        "p99": Spread.of([load.p99 for load in loads]).middle,
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises over the wire."""
    rate = {row["contender"]: row["rate"] for row in rows if row["workers"] == 1}
    cookie = rate["asgi_session L1 hit, 1 rule"] / rate["Starlette cookie"]
    fastapi = rate["asgi_session under FastAPI"] / rate["bare FastAPI"]
    return [
        Verdict("requests/s over uvicorn, L1 hit, one rule, against Starlette's cookie", "≥ 2 ×", f"{cookie:.2f} ×", cookie >= 2),
        Verdict("… under FastAPI, against bare FastAPI", "≥ 93 %", f"{100 * fastapi:.0f} %", fastapi >= 0.93),
    ]


def plot(rows: Sequence[Row]) -> "Figure":
    """A panel for each number of workers."""
    from benchmarks.report.plots import bars_by_group

    panels = {
        f"{name}, {workers} worker{'s' if workers > 1 else ''}": [
            row for row in rows if row["workers"] == workers and row["contender"] in names
        ]
        for name, names in _SERVED.items()
        for workers in (1, 2)
    }
    return bars_by_group(
        panels,
        title="Requests a second over uvicorn",
        label="requests/s (wrk, 32 connections)",
        keys=("rate", "rate_low", "rate_high"),
    )


BENCHMARK = Benchmark(
    name="over_the_wire",
    title="Over the wire: requests a second",
    explanation="""\
uvicorn (uvloop, httptools) serves each contender with one worker process and with two; wrk on the same machine asks over 32
connections, each request with the next visitor's credential. wrk and Redis share the machine's cores with the workers, so with as
many workers as cores the numbers say less about the contender; CPU is what the server's processes used, for one request.""",
    columns=[
        Column("workers", "workers"),
        Column("contender", "contender"),
        Column("rate", "requests/s", ",.0f"),
        Column("cpu", "CPU µs", ".0f"),
        Column("p50", "p50 ms", ".2f"),
        Column("p99", "p99 ms", ".2f"),
    ],
    measure=measure,
    plots={"over_the_wire.svg": plot},
    budgets=budgets,
)
