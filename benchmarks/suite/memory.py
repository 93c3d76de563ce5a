"""What a session takes in Redis, and what an entry takes in the L1."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_most
from benchmarks.hosts import Hosts
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS, Contender

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CONTENDERS = {
    "asgi_session anonymous": "asgi_session L1 hit",
    "asgi_session login, a user each": "asgi_session login, a user each",
    "asgi_session login, one user": "asgi_session login, one user",
    **{name: name for name in ("starsessions", "redsession", "Litestar sessions", "quart-session", "crudauth")},
}
_WITH_INDEX = "asgi_session login, a user each"
_COMPACT = {"hash-max-listpack-value": 1024}
"""Redis keeps a hash in its compact form while no value is longer than this; by default 64 bytes."""
_SAID = ", ".join(f"{name} {value}" for name, value in _COMPACT.items())


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender's session in Redis, and for an entry of the L1."""
    count = lab.scaled(2_000, 100)
    chosen = lab.scaled(list(_CONTENDERS.items()), list(_CONTENDERS.items())[:3])
    with Hosts(lab, [CONTENDERS[name] for _, name in chosen], visitors=1) as hosts:
        for shown, name in chosen:
            lab.step(f"{count} sessions of {shown}")
            yield {"what": f"in Redis: {shown}", **_in_redis(lab, hosts, CONTENDERS[name], count)}
        for name, value in _COMPACT.items():
            lab.redis.cli.config_set(name, value)
        yield {"what": f"in Redis: {_WITH_INDEX}; {_SAID}", **_in_redis(lab, hosts, CONTENDERS[_WITH_INDEX], count)}
    lab.step("the L1")
    with lab.child("benchmarks.roles.filler:Filler") as filler, lab.child("benchmarks.roles.cacher:Cacher") as cacher:
        filler.call("open", redis_url=lab.redis.url)
        for what, users in (("anonymous", 0), ("a user each", count)):
            credentials = filler.call("create", count=count, users=users)
            taken = cacher.call("memory", redis_url=lab.redis.url, credentials=credentials)
            yield {"what": f"in the L1 of a process: asgi_session {what}", "bytes": taken, "keys": None}
        filler.call("close")


def _in_redis(lab: Lab, hosts: Hosts, contender: Contender, count: int) -> Row:
    lab.flush()
    hosts.log_in_at_once(contender, 60, 20)  # what exists once, whatever the number of sessions
    memory, keys = lab.redis_memory(), _keys(lab)
    hosts.log_in_at_once(contender, count, 20)
    return {"bytes": (lab.redis_memory() - memory) / count, "keys": (_keys(lab) - keys) / count}


def _keys(lab: Lab) -> int:
    return int(lab.redis.cli.dbsize())


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises."""
    taken = {row["what"].removeprefix("in Redis: "): row["bytes"] / 1000 for row in rows}
    as_it_comes, compact = taken[_WITH_INDEX], taken[f"{_WITH_INDEX}; {_SAID}"]
    return [
        at_most("Redis memory of a session of 300 B, with index", 1.5, as_it_comes, "kB", miss=_OF_A_SESSION),
        at_most(f"the same with {_SAID}", 1.5, compact, "kB"),
    ]


_OF_A_SESSION = Miss(
    "a session is a hash, and Redis keeps a hash in its compact form only while no value is longer than 64 bytes; past that it is "
    "a table with an allocation for each field.",
    "`hash-max-listpack-value 1024` in redis.conf: see the next row, and docs/deployment.md.",
)


def plot(rows: Sequence[Row]) -> "Figure":
    """What is taken where."""
    from benchmarks.report.plots import bars_by_group

    panels = {
        place: [{**row, "contender": row["what"].removeprefix(f"{prefix}: ")} for row in rows if row["what"].startswith(prefix)]
        for place, prefix in (("In Redis", "in Redis"), ("In the L1 of a process", "in the L1 of a process"))
    }
    title = "Memory of one session of some 300 bytes: less is better"
    return bars_by_group(panels, title=title, label="bytes", keys=("bytes", "bytes", "bytes"))


BENCHMARK = Benchmark(
    name="memory",
    title="Memory: a session in Redis, an entry in the L1",
    explanation="""\
Sessions of some 300 bytes. In Redis: the growth of `used_memory` without clients' buffers, the keys' bookkeeping included. Where
each login is another user's, the user's index is a key of its own for each session, the dearest case. In the L1: what `tracemalloc`
counts.""",
    columns=[Column("what", "what"), Column("bytes", "bytes", ",.0f"), Column("keys", "keys in Redis", ".2f")],
    measure=measure,
    plots={"memory.svg": plot},
    budgets=budgets,
)
