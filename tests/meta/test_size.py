"""Modules that fit a head, functions that fit a screen."""

import ast
from pathlib import Path

import pytest

from tests.meta.package import PACKAGE, SOURCES, tree_of

MODULE_LINES = 300
FUNCTION_LINES = 60
PARAMETERS = 7
REASON = "# Longer than 300 lines: "
CONSTRUCTORS_OF_THE_API = {"SessionMiddleware", "SessionSettings", "Choices", "CookiePolicy", "JWTVerifier"}
"""Their arguments are the configuration."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_a_head(path: Path) -> None:
    """At most 300 lines, or a line in the file that says why not."""
    text = path.read_text()
    lines = len(text.splitlines())
    assert lines <= MODULE_LINES or REASON in text, f"{lines} lines. Split it, or say why not: {REASON!r}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_fits_a_screen(path: Path) -> None:
    """At most 60 lines with its docstring, and 7 parameters, but for the constructors whose arguments are the configuration."""
    tree = tree_of(path)
    configuration = {
        id(function)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name in CONSTRUCTORS_OF_THE_API
        for function in node.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or id(node) in configuration:
            continue
        lines = (node.end_lineno or 0) - node.lineno + 1
        assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines."
        arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        named = [argument for argument in arguments if argument not in {"self", "cls"}]
        assert len(named) <= PARAMETERS, f"{node.name} has {len(named)} parameters: {named}"
