"""Results, tables, pictures and the page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from benchmarks.benchmark import Benchmark, Column, Miss, Row, Verdict
from benchmarks.budgets import at_least, at_most
from benchmarks.lab import Lab
from benchmarks.report.page import write_page
from benchmarks.report.plots import FLOOR, OURS, THEIRS, bars_by_group, bars_side_by_side, colour_of, dots_by_group, lines, ranges
from benchmarks.report.tables import table, verdict_table
from benchmarks.results import Result, read, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS: list[Row] = [
    {"contender": "asgi_session", "cpu": 1234.5678, "low": 1200.0, "high": 1300.0, "note": "", "count": None},
    {"contender": "bare ASGI", "cpu": 2.0, "low": 1.5, "high": 2.5, "note": "", "count": 3},
]
COLUMNS = [
    Column("contender", "who"),
    Column("cpu", "CPU µs", ",.1f"),
    Column("note", "note"),
    Column("count", "count", "d"),
    Column("absent", "?"),
]
MACHINE = {
    "date": "2026-01-02T03:04:05+00:00", "commit": "abc", "cpu": "a fine one", "cores": 2, "kernel": "6", "python": "CPython 3.11",
    "redis_server": "7.0", "versions": {"starlette": "1.10.0"},
}  # fmt: skip


def plot(rows: Sequence[Row]) -> "Figure":
    """Any picture."""
    return bars_by_group({"all": rows, "none": []}, title="title", label="µs", keys=("cpu", "low", "high"))


def measure(lab: Lab) -> Iterator[Row]:
    """Nothing is measured."""
    return iter(())


BENCHMARK = Benchmark(
    name="example",
    title="An example",
    explanation="What it does.",
    columns=COLUMNS,
    measure=measure,
    plots={"example.svg": plot},
    budgets=lambda rows: [
        at_most("speed", 1000, rows[0]["cpu"], "µs", miss=Miss("It is slow.", "Haste.")),
        Verdict("beauty", "some", "much", met=True),
    ],
)
RESULT = Result(
    "example", MACHINE, 12.3, (0.5, 1.5), [{**ROWS[0], "versions": {"redsession": "1.4.0"}}, ROWS[1]], "python3 noxfile.py bench"
)


def test_table_formats_numbers_and_leaves_out_empty_columns() -> None:
    """A column that nothing fills says nothing; an absent number is an empty cell."""
    drawn = table(COLUMNS, ROWS, "github").splitlines()
    assert [cell.strip() for cell in drawn[0].split("|")] == ["", "who", "CPU µs", "count", ""]
    assert [cell.strip() for cell in drawn[2].split("|")] == ["", "**asgi_session**", "1,234.6", "", ""]


def test_verdicts_say_what_was_missed() -> None:
    """In bold, and by how much."""
    drawn = verdict_table(BENCHMARK.budgets(ROWS), "github")
    assert "**missed** by 235 µs (23 %)" in drawn
    assert "✓ met" in drawn


def test_budgets_say_how_much_is_missing() -> None:
    """In the budget's unit and as a share of it; of a share, in points; slack is for the way of measuring."""
    assert at_most("", 2, 3, "ms").by == "1.00 ms (50 %)"
    assert at_least("", 90, 85.2, "%").by == "4.80 points"
    assert at_most("", 0, 1.5).by == "1.50"
    assert at_most("", 1, 1.04, slack=0.05).met
    assert (at_most("", 2, 2, "ms").by, at_most("", 0, 0).budget) == ("", "0")


def test_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """And a benchmark that never ran has none."""
    write(RESULT, tmp_path)
    again = read("example", tmp_path)
    assert again is not None
    assert again.rows == RESULT.rows
    assert read("another", tmp_path) is None


@pytest.mark.lengthy
def test_page_has_what_was_measured(tmp_path: Path) -> None:
    """Explanation, picture, table, budgets, and where it was measured; benchmarks without a result are left out."""
    write(RESULT, tmp_path / "results")
    never_run = Benchmark("another", "Another one", "", [], measure)
    write_page({"example": BENCHMARK, "another": never_run}, tmp_path / "results", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    for piece in ("What it does.", "![An example](images/example.svg)", "1,234.6", "**missed**", "a fine one", "redsession 1.4.0"):
        assert piece in page
    assert "`python3 noxfile.py bench`" in page
    assert "Another one" not in page


@pytest.mark.lengthy
def test_page_explains_what_is_missed(tmp_path: Path) -> None:
    """All budgets come first; why one is missed and what would reach it stands there only where it is."""
    write(RESULT, tmp_path / "results")
    write_page({"example": BENCHMARK}, tmp_path / "results", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "## Budgets: 1 of 2 met" in page
    assert page.index(" beauty ") < page.index("*Why:* It is slow.") < page.index("## An example")
    assert "*What would reach it:* Haste." in page
    write(Result("example", MACHINE, 1, (0, 0), [{**ROWS[0], "cpu": 900.0, "low": 900.0}]), tmp_path / "results")
    write_page({"example": BENCHMARK}, tmp_path / "results", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "2 of 2 met" in page
    assert "It is slow." not in page


@pytest.mark.lengthy
def test_what_does_not_exist_yet_is_neither_met_nor_missed(tmp_path: Path) -> None:
    """It stands among the budgets, and counts for nothing."""
    write(RESULT, tmp_path / "results")
    verdicts = [Verdict("beauty", "some", "much", met=True), Verdict("wings", "two", "cannot fly", met=None)]
    write_page({"example": replace(BENCHMARK, budgets=lambda rows: verdicts)}, tmp_path / "results", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "## Budgets: 1 of 1 met, 1 of what does not exist yet\n" in page
    assert "– not yet" in next(line for line in page.splitlines() if "wings" in line)
    assert "missed" not in page


@pytest.mark.lengthy
def test_long_table_is_folded_and_split(tmp_path: Path) -> None:
    """A reader sees the picture first; the rows are parted by a column."""
    rows = [{**ROWS[0], "part": f"part {number % 2}"} for number in range(20)]
    write(Result("example", MACHINE, 1, (0, 0), rows), tmp_path / "results")
    write_page({"example": replace(BENCHMARK, split="part")}, tmp_path / "results", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "<summary>All 20 rows</summary>" in page
    assert page.index("**part 0**") < page.index("**part 1**") < page.index("</details>")


@pytest.mark.lengthy
def test_pictures_are_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    """So that a new run changes only what changed."""
    write(RESULT, tmp_path / "results")
    pictures = []
    for _ in range(2):
        write_page({"example": BENCHMARK}, tmp_path / "results", tmp_path)
        pictures.append((tmp_path / "images" / "example.svg").read_bytes())
    assert pictures[0] == pictures[1]
    assert ElementTree.fromstring(pictures[0]).tag.endswith("svg")  # our own file


@pytest.mark.lengthy
def test_every_kind_of_picture_can_be_drawn() -> None:
    """Each with its labels."""
    dots = dots_by_group({"all": ROWS}, title="title", label="µs", keys=("cpu", "low", "high"))
    spans = ranges({"one": {"p50": 1, "p99": 2}}, title="title", label="ms", marks=("p50", "p99"), bounds={5: "budget"})
    curves, axis = lines({"asgi_session": [(1, 2), (10, 20)], "another": [(1, 3), (10, 30)]}, title="title", x="n", y="ms")
    side = bars_side_by_side({"all": (ROWS, 2000)}, title="title", keys=("low", "contender", "cpu"))
    for figure in (dots, spans, curves, side, plot(ROWS)):
        figure.draw_without_rendering()
    assert axis.get_xlabel() == "n"


@pytest.mark.lengthy
def test_nothing_is_written_where_it_cannot_be_drawn() -> None:
    """A logarithmic scale has no zero."""
    figure = ranges({"one": {"p50": 1, "max": 2}, "none": {"p50": 0, "max": 0}}, title="title", label="ms", marks=("p50", "max"))
    texts = {text.get_text() for text in figure.axes[0].texts}
    figure.draw_without_rendering()
    assert texts == {"2.0", "0"}


@pytest.mark.lengthy
def test_bars_stand_side_by_side() -> None:
    """One for each kind in each group that has it, as high as its value, under a line at the bound."""
    rows = [{"n": n, "kind": kind, "share": 10 * n} for n, kind in ((1, "a"), (1, "b"), (2, "a"))]
    axis = bars_side_by_side({"all": (rows, 100)}, title="title", keys=("n", "kind", "share")).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1", "2"]
    assert {bars.get_label(): list(bars.datavalues) for bars in axis.containers} == {"a": [10, 20], "b": [10]}
    assert list(axis.lines[0].get_ydata()) == [100, 100]


@pytest.mark.parametrize(
    ("name", "colour"), [("asgi_session L1 hit", OURS), ("starsessions", THEIRS), ("bare ASGI", FLOOR), ("raw RS256 verify", FLOOR)]
)
def test_colours_tell_ours_from_theirs(name: str, colour: str) -> None:
    """And both from the floor."""
    assert colour_of(name) == colour
