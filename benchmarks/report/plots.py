"""The pictures' common look: light, labelled, and safe for the colour-blind (the palette of Okabe and Ito)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.benchmark import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

OURS, THEIRS, FLOOR = "#0072B2", "#E69F00", "#7F7F7F"
SERIES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P"]
RANGE_MARKS = ["o", "|", ">"]

_STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.8,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.fonttype": "path",
    "svg.hashsalt": "asgi_session",  # the same numbers make the same file
}


def _figure(width: float, height: float) -> "Figure":
    """An empty one in the common style."""
    import matplotlib as mpl  # here: it takes seconds to import, which only those shall wait for who draw
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", path: Path) -> None:
    """Write the picture; without a date, so that it changes only with the numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def colour_of(name: str) -> str:
    """Ours, theirs, or the floor that nobody can get below."""
    if name.startswith("asgi_session"):
        return OURS
    return FLOOR if name.startswith(("bare", "raw")) else THEIRS


def dots_by_group(panels: Mapping[str, Sequence[Row]], *, title: str, label: str, keys: tuple[str, str, str]) -> "Figure":
    """A dot for each row on one logarithmic scale, a panel for each group, the cheapest on top.

    `keys` are the columns of the value and of the quartiles around it. Dots, not bars: a logarithmic scale has no zero, so what
    disturbances made less than nothing is not to be seen.
    """
    value, _, high = keys
    sizes = [len(rows) + 1 for rows in panels.values()]
    figure = _figure(9, 1 + 0.25 * sum(sizes))
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=sizes, squeeze=False)[:, 0]
    everything = [row for rows in panels.values() for row in rows]
    for axis, (name, rows) in zip(axes, panels.items(), strict=True):
        _dots(axis, sorted(rows, key=lambda row: row[value], reverse=True), keys)
        axis.set_title(name)
        axis.set_xscale("log")
        axis.set_xlim(min(row[value] for row in everything if row[value] > 0) / 1.5, max(row[high] for row in everything) * 2)
        _readable(axis.xaxis)
    axes[-1].set_xlabel(label)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def bars_by_group(panels: Mapping[str, Sequence[Row]], *, title: str, label: str, keys: tuple[str, str, str]) -> "Figure":
    """A bar for each row, a panel for each group, the largest on top; whiskers where `keys` name quartiles beside the value."""
    value, low, high = keys
    shown = {name: rows for name, rows in panels.items() if rows}
    sizes = [len(rows) + 1 for rows in shown.values()]
    figure = _figure(9, 1 + 0.25 * sum(sizes))
    axes = figure.subplots(len(shown), 1, sharex=True, height_ratios=sizes, squeeze=False)[:, 0]
    for axis, (name, rows) in zip(axes, shown.items(), strict=True):
        ordered = sorted(rows, key=lambda row: row[value])
        names = [row["contender"] for row in ordered]
        axis.barh(names, [row[value] for row in ordered], 0.7, color=[colour_of(name) for name in names])
        if low != value:
            whiskers = [[row[value] - row[low] for row in ordered], [row[high] - row[value] for row in ordered]]
            style: Any = {"fmt": "none", "ecolor": "#333333", "elinewidth": 1, "capsize": 2}
            axis.errorbar([row[value] for row in ordered], names, xerr=whiskers, **style)
        for place, row in enumerate(ordered):
            axis.annotate(_short(row[value]), (row[high], place), (6, 0), textcoords="offset points", va="center", fontsize=9)
        axis.set_title(name)
        _name(axis, len(rows))
        axis.grid(axis="y", visible=False)
        axis.xaxis.set_major_formatter(_plain)
    axes[-1].set_xlim(0, 1.15 * max(row[high] for rows in shown.values() for row in rows) or 1)
    axes[-1].set_xlabel(label)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def bars_side_by_side(panels: Mapping[str, tuple[Sequence[Row], float]], *, title: str, keys: tuple[str, str, str]) -> "Figure":
    """A panel for each quantity, a group of bars for each value of one column, in it a bar for each value of another one.

    Each panel has a dotted line where its bound is. `keys` are the columns of the groups, of the bars, and of their height.
    """
    group, kind, value = keys
    figure = _figure(9, 4)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (name, (rows, bound)) in zip(axes, panels.items(), strict=True):
        groups, kinds = (list(dict.fromkeys(row[key] for row in rows)) for key in (group, kind))
        width = 0.8 / len(kinds)
        for number, (of_kind, colour) in enumerate(zip(kinds, SERIES, strict=False)):
            places = [groups.index(row[group]) + (number - (len(kinds) - 1) / 2) * width for row in rows if row[kind] == of_kind]
            drawn = axis.bar(places, [row[value] for row in rows if row[kind] == of_kind], width, color=colour, label=of_kind)
            axis.bar_label(drawn, fmt=_short, padding=2, fontsize=7)
        axis.axhline(bound, color="#333333", linestyle=":", linewidth=1.2)
        axis.set_ylim(0, 1.15 * max(bound, *(row[value] for row in rows)))
        axis.set_xticks(range(len(groups)), [str(one) for one in groups])
        axis.grid(axis="x", visible=False)
        axis.set_xlabel(group)
        axis.set_title(name)
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def ranges(
    rows: Mapping[str, Row], *, title: str, label: str, marks: Sequence[str], bounds: Mapping[float, str] | None = None
) -> "Figure":
    """A line for each row with a mark at each of these columns, from the least to the most; dotted where a budget ends.

    The scale is logarithmic: a row of nothing has its zero written at the edge.
    """
    figure = _figure(9, 1.4 + 0.3 * len(rows))
    axis = figure.subplots()
    for place, row in enumerate(rows.values()):
        if not row[marks[-1]]:
            axis.annotate(
                "0", (0, place), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center", fontsize=9
            )
            continue
        axis.plot([row[marks[0]], row[marks[-1]]], [place, place], color=OURS, linewidth=5, alpha=0.3, solid_capstyle="round")
        axis.annotate(_short(row[marks[-1]]), (row[marks[-1]], place), (8, 0), textcoords="offset points", va="center", fontsize=9)
    for mark, shape in zip(marks, RANGE_MARKS, strict=False):
        axis.plot([row[mark] for row in rows.values()], range(len(rows)), shape, color=OURS, markersize=8, mew=2, label=mark)
    for bound, text in (bounds or {}).items():
        axis.axvline(bound, color="#333333", linestyle=":", linewidth=1.2)
        axis.annotate(
            text, (bound, 1), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", fontsize=8
        )
    axis.set_xscale("log")
    axis.set_xlim(right=2 * max(*(row[marks[-1]] for row in rows.values()), *(bounds or {0: ""})))
    _readable(axis.xaxis)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(label)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str) -> "tuple[Figure, Axes]":
    """A line with markers for each series of points, ours in bold where it is compared; both scales are logarithmic."""
    figure = _figure(9, 4.5)
    compared = any(colour_of(name) == OURS for name in series)
    axis = figure.subplots()
    for (name, points), colour, marker in zip(series.items(), SERIES, MARKERS, strict=False):
        ours = colour_of(name) == OURS or not compared
        style = {"linewidth": 2.5} if ours else {"linewidth": 1.2, "linestyle": "--", "markersize": 4}
        axis.loglog(*zip(*points, strict=True), label=name, color=colour, marker=marker, **style)
    axis.xaxis.set_major_formatter(_plain)
    _readable(axis.yaxis)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure, axis


def _dots(axis: "Axes", rows: Sequence[Row], keys: tuple[str, str, str]) -> None:
    value, low, high = keys
    for place, row in enumerate(rows):
        colour = colour_of(row["contender"])
        axis.plot([row[low], row[high]], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
        axis.plot(row[value], place, "o", color=colour, markersize=7)
        axis.annotate(_short(row[value]), (row[high], place), (7, 0), textcoords="offset points", va="center", fontsize=9)
    axis.set_yticks(range(len(rows)), [row["contender"] for row in rows])
    _name(axis, len(rows))


def _name(axis: "Axes", rows: int) -> None:
    """Ours in bold, in our colour."""
    axis.set_ylim(-0.6, rows - 0.4)
    axis.tick_params(axis="y", length=0)
    for label in axis.get_yticklabels():
        if colour_of(label.get_text()) == OURS:
            label.set(color=OURS, fontweight="bold")


def _readable(axis: "Axis") -> None:
    """Plain numbers along a logarithmic axis: 1, 2, 5, 10, up to 1,000,000."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(_plain)
    axis.set_minor_locator(NullLocator())


def _plain(value: float, _: int) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
