"""What a request costs more, in process, for what stands in front of the application."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row, Verdict
from benchmarks.driver import Round
from benchmarks.hosts import Hosts
from benchmarks.lab import Lab
from benchmarks.registry import Contender, of_group
from benchmarks.statistics import Spread
from benchmarks.trips import commands_of, trips_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tests.services.redis import Traffic

IN_FLIGHT = 32


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender."""
    contenders = of_group("floor", "session", "limit", "token")
    visitors = lab.scaled(256, 48)
    with Hosts(lab, contenders, visitors) as hosts:
        sizes = {contender.name: _round_size(lab, hosts, contender) for contender in contenders}
        traffic = {contender.name: _traffic(lab, hosts, contender, visitors) for contender in contenders}
        rounds = _interleaved(lab, hosts, contenders, sizes)
        versions = hosts.versions()
    for contender in contenders:
        yield _row(contender, rounds, traffic[contender.name], visitors) | {
            "versions": {package: versions[package] for package in contender.packages}
        }


def _round_size(lab: Lab, hosts: Hosts, contender: Contender) -> int:
    """So many requests that a round takes about 30 ms (quick: 5)."""
    lab.step(f"warming {contender.name}")
    hosts.round(contender, 64, IN_FLIGHT)
    trial = hosts.round(contender, 64, IN_FLIGHT)
    return max(64, int(lab.scaled(30_000, 5_000) / trial.wall))


def _traffic(lab: Lab, hosts: Hosts, contender: Contender, requests: int) -> "Traffic":
    """What Redis hears when the visitors come one after the other, each for the third time."""
    lab.step(f"counting the commands of {contender.name}")
    hosts.round(contender, 2 * requests, 1)
    with lab.traffic() as traffic:
        hosts.round(contender, requests, 1)
    return traffic


def _interleaved(lab: Lab, hosts: Hosts, contenders: Sequence[Contender], sizes: dict[str, int]) -> dict[str, list[Round]]:
    """Short rounds, everybody's turn again and again: what disturbs the machine for a second disturbs all alike."""
    rounds: dict[str, list[Round]] = defaultdict(list)
    turns = lab.scaled(60, 2)
    for turn in range(turns):
        lab.step(f"round {turn + 1} of {turns}")
        for contender in contenders:
            rounds[contender.name].append(hosts.round(contender, sizes[contender.name], IN_FLIGHT))
    return rounds


def _row(contender: Contender, rounds: dict[str, list[Round]], traffic: "Traffic", requests: int) -> Row:
    own = rounds[contender.name]
    bare = rounds[contender.bare] if contender.bare else []
    added = Spread.of([mine.cpu - (bare[turn].cpu if bare else 0) for turn, mine in enumerate(own)])
    wall = Spread.of([mine.wall - (bare[turn].wall if bare else 0) for turn, mine in enumerate(own)])
    commands = {name: calls / requests for name, calls in commands_of(traffic).items()}
    return {
        "contender": contender.name,
        "group": contender.group,
        "bare": contender.bare,
        "cpu": added.middle,
        "cpu_low": added.low,
        "cpu_high": added.high,
        "spread": (added.high - added.low) / 2,
        "wall": wall.middle,
        "trips": trips_of(traffic) / requests,
        "commands": ", ".join(f"{calls:.2g} {name}" for name, calls in commands.items() if calls >= 0.01) or "-",
        "omits": contender.omits,
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises of a request."""
    by_name = {row["contender"]: row for row in rows}

    def cpu(name: str) -> float:
        value: float = by_name[name]["cpu"]
        return value

    hit, cookie = cpu("asgi_session L1 hit, 1 rule"), cpu("Starlette cookie")
    miss, peer = cpu("asgi_session L1 miss"), min(cpu(name) for name in ("starsessions", "redsession", "Litestar sessions"))
    seen, first, raw = cpu("asgi_session JWT seen before"), cpu("asgi_session JWT first sight"), cpu("raw RS256 verify")
    trips_hit, trips_miss = (by_name[f"asgi_session L1 {kind}"]["trips"] for kind in ("hit", "miss"))
    return [
        Verdict("session read, L1 hit, one rule: added CPU", "≤ 6 µs", f"{hit:.1f} µs", hit <= 6),
        Verdict("… against Starlette's signed cookie", "≤ 0.5 ×", f"{hit / cookie:.2f} ×", hit <= 0.5 * cookie),
        Verdict("L1 miss: added CPU against the cheapest of starsessions, Litestar, redsession", "≤ 0.5 ×",
                f"{miss / peer:.2f} ×", miss <= 0.5 * peer),
        Verdict("bearer JWT seen before: added CPU", "≤ 3 µs", f"{seen:.1f} µs", seen <= 3),
        Verdict("bearer JWT at first sight against a raw verify", "≤ 3.5 ×", f"{first / raw:.2f} ×", first <= 3.5 * raw),
        Verdict("trips to Redis, L1 hit / miss", "0 / 1",
                f"{trips_hit:.2f} / {trips_miss:.2f}", trips_hit < 0.05 and trips_miss < 1.05),
    ]  # fmt: skip


def plot(rows: Sequence[Row]) -> "Figure":
    """A panel for each kind of work, all on one scale."""
    from benchmarks.report.plots import dots_by_group

    groups = {"session": "Sessions", "token": "Bearer JWTs (RS256)", "limit": "Rate limits"}
    panels = {title: [row for row in rows if row["group"] == group] for group, title in groups.items()}
    return dots_by_group(
        panels,
        title="What one request costs more (CPU, 32 in flight)",
        label="µs added to the same bare application, logarithmic",
        keys=("cpu", "cpu_low", "cpu_high"),
    )


BENCHMARK = Benchmark(
    name="in_process",
    title="In process: what a request costs more",
    explanation="""\
The same bare application is driven in its own process, once bare and once behind each contender; the difference is what the
contender adds. Each visitor has an own session (or token); a session holds some 300 bytes of JSON, of which the handler reads one
key. 32 requests are in flight at any time. CPU is the process's own time (`time.process_time`), which the machine's other load
hardly touches; `±` is half the distance between the quartiles of the rounds. Trips and commands are Redis's own count, with one
request at a time; commands inside of scripts count too. A contender that needs a framework is
compared with that framework, bare.""",
    columns=[
        Column("contender", "contender"),
        Column("cpu", "CPU µs", ".1f"),
        Column("spread", "±", ".1f"),
        Column("wall", "wall µs", ".1f"),
        Column("trips", "trips", ".2f"),
        Column("commands", "Redis commands for one request"),
        Column("bare", "over"),
        Column("omits", "what it does not do"),
    ],
    measure=measure,
    plots={"in_process.svg": plot},
    budgets=budgets,
)
