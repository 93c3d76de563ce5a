"""How often Redis is asked for a request that a rate limit lets through."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_most
from benchmarks.lab import Lab

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PROCESSES = (1, 2, 4)
_RATES = (1, 10, 100, 1000)
_ROOM = (1.25, 2, 10)
"""The limit, as a multiple of what is asked for."""
_OVER = (0.5,)
"""The same where more is asked for than there is."""
_BUSY = 100
"""Requests a second from which a key is called busy."""


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each rate and each distance to the limit, on one process and on several; and some for keys over their limit."""
    for processes in lab.scaled(_PROCESSES, _PROCESSES[:1]):
        for room in lab.scaled(_ROOM, _ROOM[-1:]):
            for rate in lab.scaled(_RATES, (100, 1000)):
                yield _measure(lab, processes, (rate, room), 60, lab.scaled(4, 1))
    window, seconds = lab.scaled((20, 50), (2, 5))
    for processes in lab.scaled(_PROCESSES, _PROCESSES[-1:]):
        for room in lab.scaled(_OVER, _OVER[-1:]):
            yield _measure(lab, processes, (_BUSY, room), window, seconds)


def _measure(lab: Lab, processes: int, load: tuple[int, float], window: int, seconds: int) -> Row:
    rate, room = load
    lab.step(f"{processes} process(es), {rate} requests/s, limit at {room} times that")
    lab.flush()
    with lab.children("benchmarks.roles.limited:Limited", processes) as children:
        for child in children:
            child.call("open", redis_url=lab.redis.url, limit=f"{int(rate * room * window)}/{window} second")
        begin = time.monotonic() + 0.1
        with lab.traffic() as traffic:
            for child in children:
                child.tell("paced", begin=begin, end=begin + seconds, rate=rate / processes)
            answers = [child.answer() for child in children]
        for child in children:
            child.call("close")
    granted = sum(len(answer["granted"]) for answer in answers)
    refused = sum(answer["refused"] for answer in answers)
    trips = traffic.commands.get("evalsha", 0)
    return {
        "processes": processes,
        "rate": rate,
        "room": room,
        "seconds": seconds,
        "granted": granted,
        "refused": refused,
        "trips": trips / granted,
        "of_all": trips / (granted + refused),
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """Few trips for a busy key."""
    busy = [row for row in rows if row["rate"] >= _BUSY]
    return [
        _verdict(
            f"trips for one granted request of a busy key ({_BUSY}/s and more)", [row for row in busy if row["room"] > 1], _NEAR
        ),
        _verdict("… of one that is asked for more than its limit all the time", [row for row in busy if row["room"] < 1], _OVER_IT),
    ]


_NEAR = Miss(
    "a lease is at most a tenth of what is left, so that little lies unused with a process; near the limit that is one permit at a "
    "time.",
    "larger leases, which leave more of the limit unused when a client moves from one process to another.",
)
_OVER_IT = Miss(
    "what comes free of a limit that is used up comes in small pieces, which the processes ask for in turn; there are few granted "
    "requests to share these questions.",
    "longer rests after a refusal; they keep clients waiting although there is room, and leave up to 40 % of short windows unused.",
)


def _verdict(what: str, rows: Sequence[Row], miss: Miss) -> Verdict:
    worst = max(rows, key=lambda row: row["trips"])
    note = f"{worst['processes']} × process, {worst['rate']:,}/s, limit at {worst['room']:g} ×"
    return at_most(f"{what}, the most", 0.1, worst["trips"], note=note, miss=miss)


def plot(rows: Sequence[Row]) -> "Figure":
    """Trips by rate."""
    from benchmarks.report.plots import lines

    series: dict[str, list[tuple[float, float]]] = {}
    for row in (row for row in rows if row["room"] > 1):
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
Requests of one client come at a steady rate, on one process or shared by several, while the limit of the minute is a little,
twice or ten times as high. Permits are leased in batches, as large as what a second needed lately, a fiftieth of the limit at least
and a tenth of what is left at most: a slow key that is far from its limit asks for few of its requests, and a busy one about once a
second in each process.

The last rows ask for more than there is, for two and a half windows. Near the limit permits are asked for one at a time, so that
none lies with a process that does not need it; and where a busy key was refused, its process asks again after a twentieth of the
window, 3 s at most. What comes free meanwhile is shared by all processes, so a window costs each of them some 20 questions, and
more where it is asked for little more than there is: then there is often a little left, which is asked for one by one. With a few
hundred permits for each process and window, that is above the budget. It was left so, since what saves questions costs more:
longer rests, and rests as soon as little is left, save a third of the questions, but keep clients waiting for up to 10 s and
leave up to 40 % of short windows unused; and larger leases near the limit would lie with processes that may not need them. The
last permit says when the next one comes, so that nobody asks in between. What Redis sees are 4 to 11 questions a second for such a
key.""",
    columns=[
        Column("processes", "processes"),
        Column("rate", "requests/s", ",d"),
        Column("room", "limit at", ".2f"),
        Column("seconds", "seconds", ",d"),
        Column("granted", "granted", ",d"),
        Column("refused", "refused", ",d"),
        Column("trips", "trips for one granted", ".3f"),
        Column("of_all", "of all", ".3f"),
    ],
    measure=measure,
    plots={"limit_trips.svg": plot},
    budgets=budgets,
)
