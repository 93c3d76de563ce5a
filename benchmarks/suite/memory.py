"""What a session takes in Redis, and what an entry takes in the L1."""

from collections.abc import Iterator, Sequence

from benchmarks.benchmark import Benchmark, Column, Row, Verdict
from benchmarks.hosts import Hosts
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS

_CONTENDERS = {
    "asgi_session anonymous": "asgi_session L1 hit",
    "asgi_session login, a user each": "asgi_session login, a user each",
    "asgi_session login, one user": "asgi_session login, one user",
    **{name: name for name in ("starsessions", "redsession", "Litestar sessions", "quart-session", "crudauth")},
}
_WITH_INDEX = "asgi_session login, a user each"


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each contender's session in Redis, and one for an entry of the L1."""
    count = lab.scaled(5_000, 100)
    chosen = lab.scaled(list(_CONTENDERS.items()), list(_CONTENDERS.items())[:3])
    contenders = {shown: CONTENDERS[name] for shown, name in chosen}
    with Hosts(lab, list(contenders.values()), visitors=1) as hosts:
        for shown, contender in contenders.items():
            lab.step(f"{count} sessions of {shown}")
            lab.flush()
            hosts.log_in_at_once(contender, 60, 20)  # what exists once, whatever the number of sessions
            before, keys = lab.redis_memory(), lab.redis.cli.dbsize()
            hosts.log_in_at_once(contender, count, 20)
            yield {
                "what": f"in Redis: {shown}",
                "bytes": (lab.redis_memory() - before) / count,
                "keys": (int(lab.redis.cli.dbsize()) - int(keys)) / count,
            }
    lab.step("the L1")
    with lab.child("benchmarks.roles.filler:Filler") as filler, lab.child("benchmarks.roles.cacher:Cacher") as cacher:
        filler.call("open", redis_url=lab.redis.url)
        for what, users in (("anonymous", 0), ("a user each", count)):
            credentials = filler.call("create", count=count, users=users)
            taken = cacher.call("memory", redis_url=lab.redis.url, credentials=credentials)
            yield {"what": f"in the L1 of a process: asgi_session {what}", "bytes": taken, "keys": None}
        filler.call("close")


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """What design promises."""
    taken = next(row["bytes"] for row in rows if row["what"] == f"in Redis: {_WITH_INDEX}")
    return [Verdict("Redis memory of a session of 300 B, with index", "≤ 1.5 kB", f"{taken / 1000:.2f} kB", taken <= 1500)]


BENCHMARK = Benchmark(
    name="memory",
    title="Memory: a session in Redis, an entry in the L1",
    explanation="""\
Sessions of some 300 bytes. In Redis: the growth of `used_memory` without clients' buffers, the keys' bookkeeping included. Where
each login is another user's, the user's index is a key of its own for each session, the dearest case. In the L1: what `tracemalloc`
counts.""",
    columns=[Column("what", "what"), Column("bytes", "bytes", ",.0f"), Column("keys", "keys in Redis", ".2f")],
    measure=measure,
    budgets=budgets,
)
