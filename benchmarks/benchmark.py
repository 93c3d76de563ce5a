"""What a benchmark is: a question, a function that yields rows, and how its rows are shown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.lab import Lab

Row = dict[str, Any]
"""One line of a result: plain values by column."""


@dataclass(frozen=True)
class Column:
    """How a value of a row is shown."""

    key: str
    heading: str
    format: str = ""
    """Of numbers, in Python's notation: ``".1f"``."""


@dataclass(frozen=True)
class Miss:
    """What a reader wants to know where a budget is missed. Written beside the budget, shown only where it is needed."""

    why: str
    remedy: str
    """What would reach it."""


@dataclass(frozen=True)
class Verdict:
    """What a budget asks for and what was measured; `benchmarks.budgets` makes those that are a number."""

    what: str
    budget: str
    measured: str
    met: bool | None
    """None where what it asks for does not exist yet, so that there is nothing to measure."""
    by: str = ""
    """How much is missing; empty where it is met."""
    miss: Miss | None = None


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: a module of `suite`."""

    name: str
    title: str
    explanation: str
    """What is measured and how; Markdown."""
    columns: Sequence[Column]
    measure: Callable[["Lab"], Iterator[Row]]
    plots: Mapping[str, Callable[[Sequence[Row]], "Figure"]] = field(default_factory=dict)
    """By file name in docs/images/."""
    budgets: Callable[[Sequence[Row]], list[Verdict]] = lambda rows: []
    """What the project promised of it."""
    split: str = ""
    """The column by whose values the rows are shown as tables of their own."""
    large: bool = False
    """Takes so much that it runs only where it is asked for; what it measured stays on the page meanwhile, with its date."""
