"""How soon another process refuses a session that was revoked, and how long it can be deceived."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import failover
from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_most
from benchmarks.children import Child
from benchmarks.lab import Lab
from benchmarks.statistics import percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEALTHY = "link up"


@dataclass(frozen=True)
class Bench:
    """Two workers: the reader reaches Redis through a proxy."""

    lab: Lab
    reader: Child
    revoker: Child
    proxy: Child


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each state of the link."""
    with (
        lab.child("benchmarks.roles.proxy:Proxy") as proxy,
        lab.child("benchmarks.roles.sessions:Reader") as reader,
        lab.child("benchmarks.roles.sessions:Revoker") as revoker,
    ):
        port = proxy.call("open", upstream_port=lab.redis.port)
        reader.call("open", redis_url=f"redis://127.0.0.1:{port}/0")
        revoker.call("open", redis_url=lab.redis.url)
        bench = Bench(lab, reader, revoker, proxy)
        for case, (trial, full, explanation) in _CASES.items():
            latencies = []
            trials = lab.scaled(full, 20 if case == HEALTHY else 1)
            for number in range(trials):
                if number % 20 == 0:
                    lab.step(f"{case}: {number} of {trials}")
                latencies.append(trial(bench))
            yield _row(case, latencies, explanation)
        reader.call("close")
        revoker.call("close")
    for case, latencies in failover.measure(lab, trials=lab.scaled(5, 1)):
        yield _row(case, latencies, _FAILED_OVER)


def _row(case: str, latencies: Sequence[float], explanation: str) -> Row:
    milliseconds = [1000 * latency for latency in latencies]
    return {
        "case": case,
        "trials": len(milliseconds),
        "p50": percentile(milliseconds, 50),
        "p99": percentile(milliseconds, 99),
        "max": max(milliseconds),
        "explanation": explanation,
        "latencies": [round(latency, 3) for latency in milliseconds],
    }


def _known(bench: Bench) -> str:
    """A session that the reader has in its L1."""
    credential: str = bench.revoker.call("create")
    bench.reader.call("know", credential=credential)
    return credential


def _link_up(bench: Bench) -> float:
    credential = _known(bench)
    bench.reader.tell("until_refused", credential=credential, pause=0)
    time.sleep(random.uniform(0.001, 0.004))
    asked, _ = bench.revoker.call("revoke", credential=credential)
    return _refused(bench) - float(asked)


def _reconnecting(bench: Bench) -> float:
    credential = _known(bench)
    bench.reader.tell("until_refused", credential=credential, pause=0.0005)
    bench.proxy.call("reset")
    asked, _ = bench.revoker.call("revoke", credential=credential)
    return _refused(bench) - float(asked)


def _cut(bench: Bench) -> float:
    credential = _known(bench)
    bench.reader.tell("until_refused", credential=credential, pause=0.001)
    time.sleep(random.uniform(0, 0.5))  # somewhere between two proofs of life
    bench.proxy.call("cut")
    asked, _ = bench.revoker.call("revoke", credential=credential)
    believed = _believed(bench)
    bench.proxy.call("mend")
    return max(0.0, believed - float(asked))


def _paused_by(pause: Callable[[Lab], object], resume: Callable[[Lab], object]) -> Callable[[Bench], float]:
    """Redis answers nobody, so nothing can be revoked either."""

    def trial(bench: Bench) -> float:
        credential = _known(bench)
        bench.reader.tell("until_refused", credential=credential, pause=0.001)
        time.sleep(random.uniform(0, 0.5))
        began = time.monotonic()
        pause(bench.lab)
        believed = _believed(bench)
        resume(bench.lab)
        return max(0.0, believed - began)

    return trial


def _frozen_reader(bench: Bench) -> float:
    credential = _known(bench)
    bench.reader.tell("until_refused", credential=credential, pause=0)
    time.sleep(0.01)
    bench.reader.pause()
    bench.revoker.call("revoke", credential=credential)
    time.sleep(random.uniform(0.05, 1.0))
    woken = time.monotonic()
    bench.reader.resume()
    return _refused(bench) - woken


def _refused(bench: Bench) -> float:
    """When the first answer without the session came."""
    _, refused = bench.reader.answer()
    return float(refused)


def _believed(bench: Bench) -> float:
    """When the last answer with the session came; the next one may take until Redis's silence is long enough to say 503."""
    believed, _ = bench.reader.answer()
    return float(believed)


def _pause_commands(lab: Lab) -> None:
    """For longer than the reader can believe anything. It can't be taken back: CLIENT UNPAUSE would wait as well."""
    lab.redis.command("CLIENT", "PAUSE", 3000, "ALL")


_SILENT = "from then to the last answer with the session"
_FAILED_OVER = "revoked on the new master once it is one; to the last answer with it of a process that knew it before"
_CASES: dict[str, tuple[Callable[[Bench], float], int, str]] = {
    HEALTHY: (_link_up, 1000, "from the call of revoke to the first answer without it"),
    "reconnecting": (_reconnecting, 50, "all connections are reset, then the session is revoked; to the first answer without it"),
    "cut": (_cut, 12, "nothing passes, nothing closes, then the session is revoked; to the last answer with it"),
    "Redis stopped (SIGSTOP)": (_paused_by(lambda lab: lab.redis.pause(), lambda lab: lab.redis.resume()), 12, _SILENT),
    "Redis paused (CLIENT PAUSE)": (_paused_by(_pause_commands, lambda lab: lab.redis.cli.ping()), 12, _SILENT),
    "reader frozen (SIGSTOP)": (_frozen_reader, 30, "revoked meanwhile; from its awakening to the first answer without it"),
}


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises of a revocation."""
    by_case = {row["case"]: row for row in rows}
    up = by_case[HEALTHY]["p99"]
    failed_over = [row for case, row in by_case.items() if case in failover.FAULTS]
    worst = max(row["max"] for row in rows if row not in failed_over)
    verdicts = [
        at_most("revocation seen by another process, link up, p99", 50, up, "ms", miss=_LATE),
        at_most("revocation, link cut, paused or reconnecting: the longest of all", 2, worst / 1000, "s", miss=_LATE),
    ]
    if failed_over:
        longest = max(failed_over, key=lambda row: float(row["max"]))
        what, said = (
            "revocation, right after Redis failed over through Sentinel: the longest of all",
            longest["case"].partition(": ")[2],
        )
        verdicts.append(at_most(what, 2, longest["max"] / 1000, "s", note=said, miss=_BEFORE_SENTINELS_KNOW))
    return verdicts


_LATE = Miss(
    "the news and the proofs of life are heard in the event loop's turn, so a process that gets no CPU, or whose handlers block "
    "the loop, hears them late.",
    "a CPU for each worker, and handlers that do not block; a shorter lease than 2 s for the bound, at the price of more proofs.",
)
_BEFORE_SENTINELS_KNOW = Miss(
    "the Sentinels ask only now and then who is master, about once a second. Until the first of them knows of the new one, all "
    "name the old one, whose link, where it was relieved and lives on, still proves that it can be trusted; what ends that is the "
    "reader's next question, within half a second.",
    "nothing on our side, as nobody can tell a process sooner than a Sentinel knows; of a dead master nothing is believed.",
)


def plot(rows: Sequence[Row]) -> "Figure":
    """How long it takes, for each state of the link."""
    from benchmarks.report.plots import ranges

    return ranges(
        {f"{row['case']} ({row['trials']:,} trials)": row for row in rows},
        title="A revoked session is refused by another process",
        label="ms, logarithmic",
        marks=("p50", "p99", "max"),
        bounds={50: "budget: p99, link up", 2000: "bound, disturbed"},
    )


BENCHMARK = Benchmark(
    name="revocation",
    title="Revocation: how soon another process refuses",
    explanation="""\
One process reads a session again and again, served from its L1; another one revokes it. With the link up, the clock runs from the
call of `revoke` to the first answer without the session. A disturbed link can't bring the news; what counts then is how long the
reader goes on believing what nobody confirms. When its trust has run out, it asks Redis, and answers 503 where that is silent. In a
failover (a master, a replica and three Sentinels) the session is revoked on the new master in the moment when it is one, which the
reader can't know before the Sentinels say so.""",
    columns=[
        Column("case", "state of the link"),
        Column("trials", "trials"),
        Column("p50", "p50 ms", ".1f"),
        Column("p99", "p99 ms", ".1f"),
        Column("max", "max ms", ".1f"),
        Column("explanation", "measured"),
    ],
    measure=measure,
    plots={"revocation.svg": plot},
    budgets=budgets,
)
