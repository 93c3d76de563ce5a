"""The table of the security rows: what each demands, and which tests carry its mark, as the source of the tests says."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "docs" / "security_requirements.toml"
TESTS = ROOT / "tests"
SHOWN = 3
"""Tests named per row; the others are counted."""


class UnknownRow(Exception):
    """A mark, or a list in the requirements, names a row that does not exist."""


def table() -> str:
    """All sections with their rows, and a line that sums them up."""
    requirements = tomllib.loads(REQUIREMENTS.read_text())
    sections: dict[str, Any] = requirements["sections"]
    rows = {f"{prefix}-{number}": text for prefix, section in sections.items() for number, text in section["rows"].items()}
    later = {row: capability for capability, listed in requirements["later"].items() for row in listed}
    not_applicable: dict[str, str] = requirements["not_applicable"]
    proofs = tests_by_row()
    strays = (proofs.keys() | later.keys() | not_applicable.keys()) - rows.keys()
    if strays:
        raise UnknownRow(
            f"docs/security_requirements.toml has no row {', '.join(sorted(strays))}: correct the mark, or add the row."
        )

    def status(row: str) -> str:
        if row in later:
            return f"later: {later[row]}" if row not in proofs else f"in part; the rest later: {later[row]}"
        if row in not_applicable:
            return f"not applicable: {not_applicable[row]}"
        return "tested" if row in proofs else "open"

    states = [status(row).partition(":")[0].partition(";")[0] for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states, key=_ORDER.index)))
    lines = [f"{len(rows)} rows: {counts}."]
    for prefix, section in sections.items():
        lines += ["", f"## {section['title']}", "", "| id | requirement | status | tests |", "|---|---|---|---|"]
        for number, text in section["rows"].items():
            row = f"{prefix}-{number}"
            lines.append(f"| {row} | {text} | {status(row)} | {_names(proofs.get(row, []))} |")
    return "\n".join(lines)


_ORDER = ["tested", "in part", "open", "later", "not applicable"]


def _names(tests: list[str]) -> str:
    shown = "<br>".join(f"`{test}`" for test in tests[:SHOWN])
    return shown + (f"<br>and {len(tests) - SHOWN} more" if len(tests) > SHOWN else "")


def tests_by_row() -> dict[str, list[str]]:
    """Row → the tests that carry its mark, as ``path::name``."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        place = path.relative_to(TESTS).as_posix()
        for row in _rows_of_module(tree):
            found.setdefault(row, []).append(place)
        for name, node in _tests(tree):
            for row in _rows_in(node.decorator_list):
                found.setdefault(row, []).append(f"{place}::{name}")
    return {row: list(dict.fromkeys(tests)) for row, tests in found.items()}


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


def _rows_in(nodes: list[ast.expr]) -> Iterator[str]:
    """The arguments of every ``pytest.mark.security(...)`` in these expressions, also inside of ``pytest.param``."""
    for expression in nodes:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.security":
                for argument in node.args:
                    yield str(ast.literal_eval(argument))
