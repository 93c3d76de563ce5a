"""How many requests several processes let through together, where one limit holds for all."""

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_least, at_most
from benchmarks.lab import Lab

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PROCESSES = (1, 2, 4)
_CASES = {"rush": 0.002, "on end": 0.002, "flood": 0.0}
"""How long a client rests after a refusal, in seconds: 32 clients that rest 2 ms are still about 16,000 requests a second."""


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each number of processes: a rush inside one window, several windows on end, and more than the machine can do."""
    limit, window, windows = lab.scaled((2000, 5, 4), (200, 1, 2))
    for processes in lab.scaled(_PROCESSES, _PROCESSES[1:2]):
        for case, pause in lab.scaled(list(_CASES.items()), list(_CASES.items())[:2]):
            lab.step(f"{processes} process(es), {case}")
            seconds = (0.6 if case == "rush" else windows - 0.1) * window  # so that it is clear how many windows are begun
            yield _measure(lab, case, pause, processes, (limit, window), seconds)


def _measure(lab: Lab, case: str, pause: float, processes: int, rule: tuple[int, int], seconds: float) -> Row:
    limit, window = rule
    lab.flush()
    with lab.children("benchmarks.roles.limited:Limited", processes) as children:
        for child in children:
            child.call("open", redis_url=lab.redis.url, limit=f"{limit}/{window} second")
        begin = time.monotonic() + 0.1
        with lab.traffic() as traffic:
            for child in children:
                child.tell("hammer", begin=begin, end=begin + seconds, pause=pause)
            answers = [child.answer() for child in children]
        for child in children:
            child.call("close")
    granted = sorted(moment for answer in answers for moment in answer["granted"])
    refused = sum(answer["refused"] for answer in answers)
    return {
        "case": case,
        "processes": processes,
        "seconds": seconds,
        "limit": limit,
        "window": window,
        "asked": len(granted) + refused,
        "granted": len(granted),
        "most": most_in_any(granted, window),
        "trips": traffic.commands.get("evalsha", 0) / len(granted),
    }


def most_in_any(moments: Sequence[float], window: float) -> int:
    """The most of the ordered moments that lie in any interval of this length."""
    return max((bisect_right(moments, moment + window) - place for place, moment in enumerate(moments)), default=0)


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """Never over the limit, as far as the sliding window promises it (`ratelimit/windows.py`)."""
    rushes = [row for row in rows if row["case"] == "rush"]
    others = [row for row in rows if row["case"] != "rush"]
    over = max(row["most"] / row["limit"] for row in rushes)
    share = min(row["granted"] / row["limit"] for row in rushes)
    in_all = max(row["granted"] / allowed_by(row) for row in others)
    across = max(row["most"] / row["limit"] for row in others)
    return [
        at_most("a rush on 1, 2, 4 processes: the most that was granted of the limit", 100, 100 * over, "%", miss=_STARVED),
        at_least("… the least: what is lost with leases that nobody spends", 95, 100 * share, "%"),
        at_most("on end and flood: granted of the limits of all windows together", 100, 100 * in_all, "%", miss=_STARVED),
        at_most("… the most in an interval across two windows, of one limit", 200, 100 * across, "%", miss=_STARVED),
    ]


_STARVED = Miss(
    "four processes and the Redis that they ask share two cores here and take all that they get; a decision that takes more than "
    "50 ms counts as an outage, and each process then goes on by itself from what Redis said last.",
    'a core for each process and for Redis; or `on_store_error="closed"`, which never grants more.',
)


def windows_in(seconds: float, window: float) -> int:
    """Windows that requests of so many seconds begin: the first one begins one, the others follow without a gap."""
    return ceil(seconds / window)


def allowed_by(row: Row) -> int:
    """What the limits of all windows that the row's requests begin allow together."""
    return int(row["limit"] * windows_in(row["seconds"], row["window"]))


def plot(rows: Sequence[Row]) -> "Figure":
    """What was granted of what is allowed, by the number of processes: in all, and where it was most."""
    from benchmarks.report.plots import bars_side_by_side

    in_all = [{**row, "share": 100 * row["granted"] / allowed_by(row)} for row in rows]
    densest = [{**row, "share": 100 * row["most"] / row["limit"]} for row in rows]
    return bars_side_by_side(
        {
            "granted, % of what all windows allow": (in_all, 100),
            "the most in any interval, % of one limit": (densest, 200),
        },
        title="One rate limit on several processes: granted against allowed, dotted the bound",
        keys=("processes", "case", "share"),
    )


BENCHMARK = Benchmark(
    name="limit_exactness",
    title="Rate limits: granted against allowed",
    explanation="""\
Processes that share one limit (the default, a sliding window) ask as fast as they are answered: a rush inside one window, which
has to end at the limit exactly; several windows on end; and the same as a flood, which takes all the CPU that there is. `Most in
a window` is the largest number granted in any interval of the window's length, wherever it begins. The sliding window is an
estimate, made of two counters: it is exact for a steady stream, and a rush at the end of one window and the beginning of the next
can come above the limit in an interval across both, up to twice the limit. In each window by itself it can't, so what is granted
in all has the limits of all windows that were begun for its bound. A process whose event loop is busy still has Redis decide. But
where a decision takes more than 50 ms for want of CPU, in the process or in Redis, processes count for themselves until the
answer comes, each from what Redis said last, as the rule's `on_store_error="local"` says: on a machine that is too busy, as four
processes that take all they get are on two cores with other work, more than the limit is granted.""",
    columns=[
        Column("case", "case"),
        Column("processes", "processes"),
        Column("seconds", "seconds", ".1f"),
        Column("limit", "limit"),
        Column("window", "in s"),
        Column("asked", "asked", ",d"),
        Column("granted", "granted", ",d"),
        Column("most", "most in a window", ",d"),
        Column("trips", "trips for one granted", ".3f"),
    ],
    measure=measure,
    plots={"limit_exactness.svg": plot},
    budgets=budgets,
)
