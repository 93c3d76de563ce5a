"""How costs grow with the sessions that one user has."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Column, Row
from benchmarks.lab import Lab

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SESSIONS = (1, 10, 100, 1_000, 10_000)
_STEPS = {
    "create": "one session more",
    "validate": "read one",
    "list_for_user": "list all",
    "revoke": "revoke one",
    "revoke_user": "revoke all",
}


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each number of sessions."""
    for sessions in lab.scaled(_SESSIONS, (10,)):
        times: dict[str, list[float]] = {step: [] for step in _STEPS}
        for turn in range(lab.scaled(5, 1)):
            lab.step(f"{sessions:,} sessions of one user, round {turn + 1}")
            lab.flush()
            with lab.child("benchmarks.roles.filler:Filler") as filler:
                filler.call("open", redis_url=lab.redis.url)
                credentials = filler.call("create", count=sessions, users=1)
                for step in _STEPS:
                    argument = credentials[0] if step in ("validate", "revoke") else "user-0"
                    repeat = 5 if step in ("create", "validate", "list_for_user") else 1
                    times[step].append(median(filler.call("timed", method=step, argument=argument) for _ in range(repeat)))
                filler.call("close")
        yield {"sessions": sessions, **{step: median(values) for step, values in times.items()}}


def plot(rows: Sequence[Row]) -> "Figure":
    """Time by number."""
    from benchmarks.report.plots import lines

    series = {name: [(row["sessions"], row[step]) for row in rows] for step, name in _STEPS.items()}
    return lines(series, title="What a step takes, by the sessions that the user has", x="sessions of the user", y="ms")[0]


BENCHMARK = Benchmark(
    name="scale_users",
    title="Scale: sessions of one user",
    explanation="""\
One user has so many sessions, from one to ten thousand (no cap is set); each step of the manager is timed
alone, Redis on loopback. To revoke all of them is one step, whatever their number.""",
    columns=[
        Column("sessions", "sessions", ",d"),
        *(Column(step, f"{name}, ms", ".2f") for step, name in _STEPS.items()),
    ],
    measure=measure,
    plots={"scale_users.svg": plot},
)
