"""Types and defaults in words: aliases by what they stand for, computed numbers by their value. Looks into the imported package."""

import ast
import inspect
import re
import typing
from importlib import import_module
from types import ModuleType

from asgi_session.clock import SystemClock

from .markdown import cell

LONGEST_ALIAS = 80
"""Characters; what an alias stands for is no help if it is longer."""


def module_of(path: str) -> ModuleType:
    """The module at a path below the package, such as ``tokens/verifier.py``."""
    return import_module(f"asgi_session.{path.removesuffix('.py').replace('/', '.')}")


def type_text(annotation: str, module: ModuleType) -> str:
    """A type as code, its aliases replaced: the values of a Literal, the union, the function."""
    text = re.sub(r"[A-Za-z_]\w*", lambda name: _alias(name[0], module), annotation)
    text = re.sub(r"Literal\[(.*?)\]", lambda match: match[1].replace(", ", " | ").replace("'", '"'), text)
    return f"`{cell(text)}`"


def _alias(name: str, module: ModuleType) -> str:
    value = getattr(module, name, None)
    if value is None or inspect.isclass(value):
        return name
    if typing.get_origin(value) is typing.Literal:
        return " | ".join(f'"{one}"' for one in typing.get_args(value))
    if typing.get_origin(value) is None or not typing.get_args(value):
        return name
    text = re.sub(r"(?:\w+\.)+(\w+)", r"\1", str(value))
    return text if len(text) <= LONGEST_ALIAS and "Any" not in text else name  # ``ASGIApp`` says more than its parts


def default_text(source: str | None, value: object) -> str:
    """A default as code, and what it comes to where the code computes or names it."""
    if source is None:
        return "required"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(ast.parse(source, mode="eval").body, ast.Call | ast.Constant):
        return f"`{cell(source)}`"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"`{value:.0f}` ({_in_words(value)})"
    if isinstance(value, tuple) and value:
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, SystemClock):
        return "the machine's clock"
    return f"`{cell(source)}`"


_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def _in_words(number: float) -> str:
    """Computed numbers are bytes where they are whole MiB, else seconds."""
    if number % 1024**2 == 0:
        return f"{number / 1024**2:.0f} MiB"
    amount, name = next((number / unit, name) for unit, name in _UNITS if number >= unit or unit == 1)
    return f"{amount:g} {name}" + ("s" if amount != 1 else "")


def import_line(name: str, module: ModuleType) -> str:
    """How a user imports it: from the shortest place that exports it."""
    parts = module.__name__.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        if name in getattr(import_module(package), "__all__", ()):
            return f"from {package} import {name}"
    return f"from {module.__name__} import {name}"
