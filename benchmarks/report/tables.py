"""Tables, in the terminal and in Markdown."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmarks.benchmark import Column, Row, Verdict


def table(columns: Sequence[Column], rows: Sequence[Row], style: str) -> str:
    """The rows as `tabulate` draws them in this style; a column that nothing fills is left out."""
    shown = [column for column in columns if any(row.get(column.key) not in (None, "") for row in rows)]
    cells = [[_cell(row.get(column.key), column.format) for column in shown] for row in rows]
    if style == "github":
        cells = [[f"**{cell}**" if cell.startswith("asgi_session") else cell for cell in line] for line in cells]
    numbers = [all(isinstance(row.get(column.key), int | float | None) for row in rows) for column in shown]
    align = ["right" if number else "left" for number in numbers]
    return tabulate(cells, [column.heading for column in shown], tablefmt=style, colalign=align, disable_numparse=True)


def verdict_table(verdicts: Sequence[Verdict], style: str) -> str:
    """Budgets and what became of them."""
    cells = [[verdict.what, verdict.budget, verdict.measured, became(verdict)] for verdict in verdicts]
    return tabulate(cells, ["what", "budget", "measured", ""], tablefmt=style, disable_numparse=True)


def became(verdict: Verdict) -> str:
    """Met, or missed by how much."""
    if verdict.met is None:
        return "– not yet"
    if verdict.met:
        return "✓ met"
    return f"✗ **missed** by {verdict.by}" if verdict.by else "✗ **missed**"


def _cell(value: object, form: str) -> str:
    if value is None:
        return ""
    return format(value, form) if isinstance(value, int | float) else str(value)
