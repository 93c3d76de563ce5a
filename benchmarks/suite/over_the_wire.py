"""Requests a second over real sockets."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_least
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS, Contender
from benchmarks.servers import Server
from benchmarks.statistics import Spread
from benchmarks.wrk import Load, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SERVED = {
    "No framework": [
        "bare ASGI", "asgi_session L1 hit, 1 rule", "Starlette cookie", "asgi_session L1 hit", "asgi_session L1 miss",
        "starsessions", "redsession", "asgi_session JWT seen before", "asgi_session JWT first sight", "PyJWT", "joserfc",
        "fastapi-keycloak",
    ],
    "Under a framework": [
        "bare FastAPI", "asgi_session under FastAPI", "Starlette cookie under FastAPI", "crudauth", "fastapi-limiter Redis",
        "slowapi Redis", "asgi_session rate limit under FastAPI", "bare Litestar", "Litestar sessions",
        "asgi_session L1 hit under Litestar", "bare Quart", "quart-session", "asgi_session L1 hit under Quart",
    ],
}  # fmt: skip
"""What a budget compares takes its turns next to each other."""
_QUICK = [
    "bare ASGI",
    "asgi_session L1 hit, 1 rule",
    "Starlette cookie",
    "redsession",
    "bare FastAPI",
    "asgi_session under FastAPI",
]
_TURNS, _SECONDS = 9, 0.7
"""Rounds of each contender, and how long each is."""


def served() -> list[str]:
    """All contenders that are served."""
    return [name for names in _SERVED.values() for name in names]


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender, with one worker and then with two."""
    for workers in (1, 2):
        names = [name for name in served() if not lab.quick or name in _QUICK]
        if workers > 1:
            names = lab.scaled(names, names[1:2])
        yield from _measure(lab, [CONTENDERS[name] for name in names], workers)


def _measure(lab: Lab, contenders: Sequence[Contender], workers: int) -> Iterator[Row]:
    visitors, turns, seconds = lab.scaled((128, _TURNS, _SECONDS), (4, 1, 0.3))
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
                load(server.url, credentials[server], seconds)
        for turn in range(turns):
            for server in servers:
                lab.step(f"{workers} worker(s), round {turn + 1} of {turns}: {server.contender.name}")
                before = server.cpu_seconds()
                done = load(server.url, credentials[server], seconds)
                loads[server.contender.name].append(done)
                cpu[server.contender.name].append(1e6 * (server.cpu_seconds() - before) / done.requests)
    for contender in contenders:
        yield _row(contender, workers, loads[contender.name], cpu[contender.name])


def _row(contender: Contender, workers: int, loads: Sequence[Load], cpu: Sequence[float]) -> Row:
    rate = Spread.of([load.rate for load in loads])
    return {
        "workers": f"{workers} worker{'s' if workers > 1 else ''}",
        "contender": contender.name,
        "rate": rate.middle,
        "rate_low": rate.low,
        "rate_high": rate.high,
        "spread": (rate.high - rate.low) / 2,
        "rates": [round(load.rate, 1) for load in loads],
        "cpu": Spread.of(cpu).middle,
        "p50": Spread.of([load.p50 for load in loads]).middle,
        "p99": Spread.of([load.p99 for load in loads]).middle,
        "errors": sum(load.refused + load.broken for load in loads),
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises over the wire."""
    rates = {row["contender"]: row["rates"] for row in rows if row["workers"] == "1 worker"}

    def share(one: str, other: str) -> float:
        """Of rounds that were next to each other, the one in the middle."""
        return Spread.of([mine / theirs for mine, theirs in zip(rates[one], rates[other], strict=True)]).middle

    cookie = share("asgi_session L1 hit, 1 rule", "Starlette cookie")
    fastapi = share("asgi_session under FastAPI", "bare FastAPI")
    return [
        at_least("requests/s over uvicorn, L1 hit, 1 rule, against Starlette's signed cookie", 2, cookie, "×", miss=_OF_THE_SERVER),
        at_least("requests/s under FastAPI, L1 hit, 1 rule, against bare FastAPI", 93, 100 * fastapi, "%", miss=_OF_THE_LIMIT),
    ]


_OF_THE_SERVER = Miss(
    "a bare request over uvicorn has a price that both pay, so the bare application's rate is the most that any of them can reach; "
    "what ours adds to it is in the first table.",
    "what brings the added CPU of the first table down.",
)
_OF_THE_LIMIT = Miss(
    "what ours adds (see the first table), and the two quota headers of a rate limit, which uvicorn has to write as well.",
    "what brings the added CPU of the first table down.",
)


def plot(rows: Sequence[Row]) -> "Figure":
    """A panel for each number of workers."""
    from benchmarks.report.plots import bars_by_group

    panels = {
        f"{name}, {workers}": [row for row in rows if row["workers"] == workers and row["contender"] in names]
        for workers in ("1 worker", "2 workers")
        for name, names in _SERVED.items()
    }
    return bars_by_group(
        panels,
        title="Requests a second over uvicorn: more is better",
        label="requests/s (wrk, 32 connections)",
        keys=("rate", "rate_low", "rate_high"),
    )


BENCHMARK = Benchmark(
    name="over_the_wire",
    title="Over the wire: requests a second",
    explanation=f"""\
uvicorn (uvloop, httptools) serves each contender with one worker process and with two; wrk on the same machine asks over 32
connections, each request with the next visitor's credential, in {_TURNS} rounds of {_SECONDS:g} s in which all contenders take
turns. Shown is the middle of the rounds; `±` is half the distance between their quartiles. **Client, Redis and server share the
machine's cores**: on two cores, one worker has about one for itself, and two workers have less than one each, so there the numbers
say how contenders stand to each other and not what a second worker brings. CPU is what the server's processes used for one
request. `asgi_session under FastAPI` is a session with data and one rate limit; the rate limit under FastAPI is without sessions.
An answer other than success, a broken connection or a timeout ends the run.""",
    columns=[
        Column("contender", "contender"),
        Column("rate", "requests/s", ",.0f"),
        Column("spread", "±", ",.0f"),
        Column("cpu", "CPU µs", ".0f"),
        Column("p50", "p50 ms", ".2f"),
        Column("p99", "p99 ms", ".2f"),
        Column("errors", "errors", "d"),
    ],
    measure=measure,
    plots={"over_the_wire.svg": plot},
    budgets=budgets,
    split="workers",
)
