"""What a request costs more, in process, for what stands in front of the application."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_most
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
_GROUPS = {"floor": "The floor", "session": "Sessions", "token": "Bearer JWTs (RS256)", "limit": "Rate limits"}


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
    turns = lab.scaled(40, 2)
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
        "group": _GROUPS[contender.group],
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
        at_most("session read, L1 hit, 1 rule: added CPU", 6, hit, "µs", miss=_OF_A_HIT),
        at_most("the same against Starlette's signed cookie", 0.5, hit / cookie, "×", miss=_OF_A_HIT),
        at_most(
            "L1 miss: added CPU against the cheapest of starsessions, Litestar, redsession", 0.5, miss / peer, "×", miss=_OF_A_LOAD
        ),
        at_most("bearer JWT seen before: added CPU", 3, seen, "µs", miss=_OF_A_KNOWN_TOKEN),
        at_most("bearer JWT at first sight against a raw verify", 3.5, first / raw, "×", miss=_OF_A_NEW_TOKEN),
        at_most("trips to Redis, L1 hit", 0, trips_hit, slack=0.05),
        at_most("trips to Redis, L1 miss", 1, trips_miss, slack=0.05),
    ]


_OF_A_HIT = Miss(
    "what is left is Python's price for its calls: reading the headers is a quarter of it, the stages' judgements and the lease of "
    "the rate limit another half, and the response with its two quota headers the rest. The budget in µs was set on a machine that "
    "is faster than this one; the one against Starlette goes with the machine.",
    "the stages in a compiled module.",
)
_OF_A_LOAD = Miss(
    "redis-py's own work for a command, which all of them share, is the larger part; ours runs a script, which checks the user's "
    "epoch and slides the expiry in the same trip, and a twentieth is the comparison of the client's fingerprint.",
    "a leaner client for Redis: loads that come in one turn of the event loop already travel together.",
)
_OF_A_KNOWN_TOKEN = Miss(
    "the token is found by its SHA-256, and its expiry is looked at; most of the rest is the pass through the stages.",
    "the stages in a compiled module; a key cheaper than SHA-256 would let tokens be read out of the memory of the cache.",
)
_OF_A_NEW_TOKEN = Miss(
    "beside the signature, the token's two parts of JSON are parsed and every claim is checked, in Python.",
    "a parser and checks that are compiled; it is paid once for each token.",
)


_NOT_DRAWN = {
    f"asgi_session {kind}, {rules}"
    for kind in ("memory", "L1 miss", "JWT seen before", "JWT first sight")
    for rules in ("1 rule", "3 rules")
}
"""What a rule adds is to be seen where the rest is least; the table has it everywhere."""


def plot(rows: Sequence[Row]) -> "Figure":
    """A panel for each kind of work, all on one scale."""
    from benchmarks.report.plots import dots_by_group

    panels = {
        group: [row for row in rows if row["group"] == group and row["contender"] not in _NOT_DRAWN]
        for group in list(_GROUPS.values())[1:]
    }
    return dots_by_group(
        panels,
        title="What one request costs more: CPU, less is better",
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
request at a time; commands inside of scripts count too. A contender that needs a framework is compared with that framework, bare,
and with ours around the same application: under Litestar and Quart the handler reads the session's data; under FastAPI it is for
users only, by a dependency, as crudauth's (a login holds no data there), or has a rate limit and no session.""",
    columns=[
        Column("contender", "contender"),
        Column("cpu", "CPU µs", ".1f"),
        Column("spread", "±", ".1f"),
        Column("wall", "wall µs", ".1f"),
        Column("trips", "trips", ".2f"),
        Column("commands", "Redis commands for one request"),
        Column("bare", "over"),
    ],
    measure=measure,
    plots={"in_process.svg": plot},
    budgets=budgets,
    split="group",
)
