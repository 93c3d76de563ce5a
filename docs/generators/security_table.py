"""The table of the security rows: what each demands, and which tests prove it, as the source of the tests says.

A test carries ``@pytest.mark.security(...)``; one of the store contract, which the package ships, says ``@proves(...)``.
"""

import ast
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "docs" / "security_requirements.toml"
TESTS = ROOT / "tests"
CONTRACTS = ROOT / "asgi_session" / "testing"
SHOWN = 3
"""Tests named per row; the others can be unfolded."""


class UnknownRow(Exception):
    """A mark, or a list in the requirements, names a row that does not exist."""


class WrongStatus(Exception):
    """A row is open and nobody says why, or it is said of a row that has a test."""


def table() -> str:
    """All sections with their rows, and a line that sums them up."""
    requirements = tomllib.loads(REQUIREMENTS.read_text())
    sections: dict[str, Any] = requirements["sections"]
    rows = {f"{prefix}-{number}": text for prefix, section in sections.items() for number, text in section["rows"].items()}
    proofs = tests_by_row()
    statuses = _statuses(list(rows), requirements, proofs)
    states = [status.partition(":")[0].partition(";")[0] for status in statuses.values()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states, key=_ORDER.index)))
    lines = [f"{len(rows)} rows: {counts}."]
    for prefix, section in sections.items():
        lines += ["", f"## {section['title']}", "", "| id | requirement | status | tests |", "|---|---|---|---|"]
        for number, text in section["rows"].items():
            row = f"{prefix}-{number}"
            lines.append(f"| {row} | {text} | {statuses[row]} | {_names(proofs.get(row, []))} |")
    return "\n".join(lines)


_ORDER = ["tested", "in part", "open", "later", "not applicable"]


def _statuses(rows: list[str], requirements: dict[str, Any], proofs: dict[str, list[str]]) -> dict[str, str]:
    """What is to be said of each row."""
    later = {row: capability for capability, listed in requirements["later"].items() for row in listed}
    reasons: dict[str, str] = requirements["open"]
    not_applicable: dict[str, str] = requirements["not_applicable"]
    strays = (proofs.keys() | later.keys() | not_applicable.keys() | reasons.keys()) - set(rows)
    if strays:
        raise UnknownRow(
            f"docs/security_requirements.toml has no row {', '.join(sorted(strays))}: correct the mark, or add the row."
        )
    without_test = set(rows) - proofs.keys() - later.keys() - not_applicable.keys()
    if without_test != reasons.keys():
        wrong = ", ".join(sorted(without_test ^ reasons.keys()))
        raise WrongStatus(f"{wrong}: mark its test, or say under [open] in docs/security_requirements.toml why there is none.")

    def status(row: str) -> str:
        if row in later:
            return f"later: {later[row]}" if row not in proofs else f"in part; the rest later: {later[row]}"
        if row in not_applicable:
            return f"not applicable: {not_applicable[row]}"
        return "tested" if row in proofs else f"open: {reasons[row]}"

    return {row: status(row) for row in rows}


def _names(tests: list[str]) -> str:
    """The tests by file, each file a link; what is more than ``SHOWN`` is folded."""
    shown, folded = tests[:SHOWN], tests[SHOWN:]
    if not folded:
        return _by_file(shown)
    return f"{_by_file(shown)}<details><summary>and {len(folded)} more</summary>{_by_file(folded)}</details>"


def _by_file(tests: list[str]) -> str:
    lines = []
    for place, group in groupby(tests, key=lambda test: test.partition("::")[0]):
        names = ", ".join(f"`{name}`" for test in group if (name := test.partition("::")[2]))
        link = f"[{place.removeprefix('tests/')}](../{place})"
        lines.append(f"{link}: {names}" if names else link)
    return "<br>".join(lines)


def tests_by_row() -> dict[str, list[str]]:
    """Row → the tests that prove it, as ``path::name``: those of the store contract first, as every store has to pass them."""
    found: dict[str, list[str]] = {}
    for row, test in [*_rows_of_files("asgi_session/testing", CONTRACTS, "*.py"), *_rows_of_files("tests", TESTS, "test_*.py")]:
        found.setdefault(row, []).append(test)
    return {row: list(dict.fromkeys(tests)) for row, tests in found.items()}


def _rows_of_files(name: str, folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Pairs of a row and a test in ``folder``, which the pages know by ``name``."""
    for path in sorted(folder.rglob(pattern)):
        place = f"{name}/{path.relative_to(folder).as_posix()}"
        yield from ((row, place + test) for row, test in _rows_of_source(path.read_text()))


@cache
def _rows_of_source(source: str) -> list[tuple[str, str]]:
    """Pairs of a row and ``::test``, or of a row and nothing where all tests of the module prove it."""
    tree = ast.parse(source)
    of_tests = [(row, f"::{test}") for test, node in _tests(tree) for row in _rows_in(node.decorator_list)]
    return [*((row, "") for row in _rows_of_module(tree)), *of_tests]


def _tests(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}::{item.name}", item


def _rows_of_module(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets):
            yield from _rows_in([node.value])


def _rows_in(nodes: Iterable[ast.expr]) -> Iterator[str]:
    """What ``pytest.mark.security(...)``, also inside of ``pytest.param``, and ``proves(...)`` name in these expressions."""
    for expression in nodes:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("pytest.mark.security", "proves"):
                for argument in node.args:
                    yield str(ast.literal_eval(argument))
