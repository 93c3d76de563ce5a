"""What a new session costs: one at a time, and a thousand at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_least, at_most
from benchmarks.hosts import ContenderFailed, Hosts
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS, Contender, of_group
from benchmarks.statistics import percentile
from benchmarks.trips import trips_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ANONYMOUS = ["asgi_session memory", "asgi_session L1 hit"]
_PEERS = ["starsessions", "redsession", "Litestar sessions", "quart-session", "crudauth"]
_NAMES = {"asgi_session L1 hit": "asgi_session anonymous"}
"""Here, what the L1 does later doesn't matter."""


def measure(lab: Lab) -> Iterator[Row]:
    """Two rows for each contender."""
    anonymous, peers = ([CONTENDERS[name] for name in names] for names in (_ANONYMOUS, lab.scaled(_PEERS, _PEERS[:1])))
    contenders = [*anonymous, *of_group("login"), *peers]
    alone, at_once, turns = lab.scaled((300, 1000, 5), (50, 200, 1))
    with Hosts(lab, contenders, visitors=8) as hosts:
        for count, in_flight in ((alone, 1), (at_once, at_once)):
            latencies: dict[str, list[list[float]]] = {contender.name: [] for contender in contenders}
            failures: dict[str, list[str]] = {contender.name: [] for contender in contenders}
            trips: dict[str, float] = {}
            for turn in range(turns):
                for contender in contenders:
                    lab.step(f"{in_flight} at once, round {turn + 1} of {turns}: {contender.name}")
                    with lab.traffic() as traffic:
                        done, failed = hosts.log_in_at_once(contender, count, in_flight)
                    trips[contender.name] = trips_of(traffic) / count
                    latencies[contender.name].append(done)
                    failures[contender.name] += failed
            for contender in contenders:
                yield _row(contender, in_flight, latencies[contender.name], failures[contender.name], trips[contender.name])


def _row(contender: Contender, in_flight: int, rounds: Sequence[list[float]], failures: Sequence[str], trips: float) -> Row:
    if failures and contender.is_ours and in_flight == 1:  # of a rush, how many succeed is what is measured
        raise ContenderFailed(f"{contender.name} failed to create sessions: {failures[0]}")
    succeeded = [latency for latencies in rounds for latency in latencies]
    asked = len(succeeded) + len(failures)
    (error, _), *_ = Counter(failures).most_common(1) or [("", 0)]
    # Of the rounds the one in the middle: in a round of a thousand, one pause of the machine moves them all.
    p95 = sorted(percentile(latencies, 95) for latencies in rounds if latencies)
    return {
        "contender": _NAMES.get(contender.name, contender.name),
        "in_flight": in_flight,
        "succeeded": 100 * len(succeeded) / asked,
        "p50": percentile(succeeded, 50),
        "p95": p95[len(p95) // 2],
        "trips": trips,
        "error": error,
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises of a creation."""
    ours = [row for row in rows if row["contender"] == "asgi_session anonymous"]
    alone, at_once = sorted(ours, key=lambda row: int(row["in_flight"]))
    logins = [row for row in rows if row["contender"].startswith("asgi_session login") and row["in_flight"] == alone["in_flight"]]
    login = max(logins, key=lambda row: float(row["p95"]))
    rush = [row for row in rows if row["contender"].startswith("asgi_session") and row["in_flight"] == at_once["in_flight"]]
    everything = min(row["succeeded"] for row in rush if "cap" not in row["contender"])
    capped = min((row["succeeded"] for row in rush if "cap" in row["contender"]), default=100.0)
    said = f"{at_once['in_flight']:,} sessions created at once"
    return [
        at_most("session creation: trips", 1, alone["trips"], slack=0.05),
        at_most("login with cap and index: trips", 1, max(row["trips"] for row in logins), slack=0.05),
        at_most("session creation, one at a time, p95", 10, alone["p95"], "ms", miss=_DISTURBED),
        at_most("login, the package's own part (no provider is asked yet), p95", 100, login["p95"], "ms", miss=_DISTURBED),
        at_least(f"{said}: succeed", 100, everything, "%"),
        at_least("the same, all of one user under a cap: succeed", 100, capped, "%", miss=_TOO_LONG),
        at_most(f"{said}: p95", 50, at_once["p95"], "ms", miss=_SLOW),
    ]


_DISTURBED = Miss(
    "a creation is one trip and some tenths of a millisecond of CPU; what is longer is the machine's, which did something else.",
    "an idle machine.",
)
_TOO_LONG = Miss(
    "Redis runs the scripts of a rush one after the other, and those of a cap look at the user's other sessions: a thousand "
    "took longer on this machine than a command may, 250 ms, so the last ones were answered by 503.",
    "a faster machine, more workers and nodes to share the rush, or a longer `operation_timeout`.",
)
_SLOW = Miss(
    "all of them are made by one process on one core, so the last one waits for all the others; the p95 is little less than the "
    "time that the whole rush takes.",
    "several workers, which share a rush; or less CPU for each creation, most of which is redis-py's.",
)


def plot(rows: Sequence[Row]) -> "Figure":
    """The p95 of a rush."""
    from benchmarks.report.plots import bars_by_group

    most = max(row["in_flight"] for row in rows)
    shown = [
        {**row, "contender": f"{row['contender']} ({row['succeeded']:.0f} % succeed)"} for row in rows if row["in_flight"] == most
    ]
    title, label = f"{most:,} sessions created at once: p95 of those that succeed", "ms"
    return bars_by_group({"": shown}, title=title, label=label, keys=("p95", "p95", "p95"))


BENCHMARK = Benchmark(
    name="creation",
    title="Creation: new sessions, one by one and all at once",
    explanation="""\
Visitors without a cookie log in, and get a session with some 300 bytes; one after the other, and then all at the same moment in one
process. `login` binds the session to a user, by a new id and an entry in the user's index, in one step. Under a cap, the step also
ends the user's oldest session. A contender that refuses some of a rush (redis-py's pool has 100
connections, and fails when they are taken) is measured by those that succeeded.""",
    columns=[
        Column("contender", "contender"),
        Column("in_flight", "at once", ",d"),
        Column("succeeded", "succeed, %", ".0f"),
        Column("p50", "p50 ms", ".2f"),
        Column("p95", "p95 ms", ".2f"),
        Column("trips", "trips", ".2f"),
        Column("error", "what went wrong"),
    ],
    measure=measure,
    plots={"creation.svg": plot},
    budgets=budgets,
)
