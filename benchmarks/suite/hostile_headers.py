"""What the dearest hostile header costs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_most
from benchmarks.issuer import AUDIENCE, ISSUER, Issuer
from benchmarks.lab import Lab
from benchmarks.roles.attacked import SHAPES
from benchmarks.statistics import percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZES = (2**14, 2**20)
_BUDGET = 10


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each shape of header, and one for many mutations of good ones."""
    with lab.child("benchmarks.roles.filler:Filler") as filler, lab.child("benchmarks.roles.attacked:Attacked") as attacked:
        filler.call("open", redis_url=lab.redis.url)
        (cookie,) = filler.call("create", count=1)
        filler.call("close")
        issuer = Issuer()
        attacked.call(
            "open",
            redis_url=lab.redis.url,
            issuer=ISSUER,
            audience=AUDIENCE,
            jwks=issuer.jwks,
            token=issuer.token(0),
            cookie=cookie,
        )
        for shape in SHAPES:
            for size in _SIZES:
                lab.step(f"{shape}, {size:,} bytes")
                done = attacked.call("shaped", shape=shape, size=size, times=lab.scaled(51, 3))
                yield _row(shape, size, done["costs"], ", ".join(map(str, done["statuses"])))
        count = lab.scaled(100_000, 500)
        lab.step(f"{count:,} mutations")
        done = attacked.call("mutated", count=count, seed=1)
        statuses = ", ".join(f"{status} ({times:,})" for status, times in sorted(done["statuses"].items()))
        yield _row(f"mutations of a good cookie and a good token ({count:,})", None, done["costs"], statuses)
        attacked.call("close")


def _row(shape: str, size: int | None, costs: Sequence[float], statuses: str) -> Row:
    if any(status.startswith("5") for status in statuses.split(", ")):
        raise RuntimeError(f"Hostile headers ({shape}) brought about {statuses}.")
    return {
        "shape": shape,
        "size": size,
        "p50": percentile(costs, 50),
        "p99": percentile(costs, 99),
        "max": max(costs),
        "statuses": statuses,
    }


def budgets(rows: Sequence[Row]) -> list[Verdict]:
    """IN-06."""
    # A single request may be interrupted by the collector of cycles or by the machine; the same bytes cost the same again.
    worst = max((row for row in rows if row["size"]), key=lambda row: float(row["p50"]))
    mutated = next(row for row in rows if not row["size"])
    shape = f"{worst['shape']}, {worst['size'] // 1024:,} KiB"
    return [
        at_most("the dearest shape of hostile headers, up to 1 MiB (IN-06)", _BUDGET, worst["p50"], "ms", note=shape, miss=_DEAR),
        at_most("the dearest of all mutations of a good cookie and a good token", _BUDGET, mutated["max"], "ms", miss=_DEAR),
    ]


_DEAR = Miss(
    "each of the many headers in a MiB is looked at once.",
    "a proxy in front: the usual ones let 8 to 32 KiB of headers through, which cost less in proportion.",
)


def plot(rows: Sequence[Row]) -> "Figure":
    """The shapes at their largest, and the mutations."""
    from benchmarks.report.plots import ranges

    shown = sorted((row for row in rows if row["size"] in (None, _SIZES[-1])), key=lambda row: -float(row["p50"]))
    return ranges(
        {row["shape"]: row for row in shown},
        title="CPU for a request with headers of 1 MiB that no browser sends",
        label="ms, logarithmic",
        marks=("p50", "p99", "max"),
        bounds={_BUDGET: "budget"},
    )


BENCHMARK = Benchmark(
    name="hostile_headers",
    title="Hostile headers",
    explanation="""\
Headers that no browser sends, of 16 KiB (about what servers let through) and of 1 MiB, and many good ones with something wrong in
them; sessions in Redis, tokens, and one rate limit. CPU for the whole request in process; an answer of 5xx would end the run.""",
    columns=[
        Column("shape", "headers"),
        Column("size", "bytes", ",d"),
        Column("p50", "p50 ms", ".3f"),
        Column("p99", "p99 ms", ".3f"),
        Column("max", "max ms", ".3f"),
        Column("statuses", "answered"),
    ],
    measure=measure,
    plots={"hostile_headers.svg": plot},
    budgets=budgets,
)
