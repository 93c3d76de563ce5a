"""What the package's classes can be given, read from their source: names, types, defaults and docstrings."""

import ast
import inspect
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from .markdown import prose
from .values import default_text, import_line, module_of, type_text

ROOT = Path(__file__).parents[2]
ARGUMENTS = ROOT / "docs" / "arguments.toml"


@dataclass(frozen=True, slots=True)
class Argument:
    """One line of a reference table."""

    name: str
    type: str
    default: str | None
    meaning: str


class MissingMeaning(Exception):
    """An argument that nobody has explained, or an explanation of one that does not exist."""


def reference(module: str, class_name: str) -> str:
    """How a class is imported, and its arguments as a table."""
    code = module_of(module)
    lines = [f"`{import_line(class_name, code)}`", "", "| argument | type | default | meaning |", "|---|---|---|---|"]
    parameters = inspect.signature(getattr(code, class_name)).parameters
    for argument in arguments_of(module, class_name):
        default = default_text(argument.default, parameters[argument.name].default)
        lines.append(f"| `{argument.name}` | {type_text(argument.type, code)} | {default} | {prose(argument.meaning)} |")
    return "\n".join(lines)


def types(*references: tuple[str, str]) -> str:
    """The package's classes that those arguments name and that have no table of their own."""
    described, found = {name for _, name in references}, {}
    for module, class_name in references:
        for argument in arguments_of(module, class_name):
            for name in re.findall(r"[A-Za-z]\w*", type_text(argument.type, module_of(module))):
                value = _known(name, module_of(module))
                if value is not None and name not in described:
                    found[name] = value
    lines = ["| type | import | what it is |", "|---|---|---|"]
    for name, value in sorted(found.items()):
        what = prose((inspect.getdoc(value) or "").partition("\n\n")[0])
        lines.append(f"| `{name}` | `{import_line(name, import_module(value.__module__))}` | {what} |")
    return "\n".join(lines)


def _known(name: str, module: ModuleType) -> type | None:
    """The class of the package that the module means by that name."""
    value = getattr(module, name, None)
    return value if inspect.isclass(value) and value.__module__.startswith("asgi_session.") else None


def arguments_of(module: str, class_name: str) -> list[Argument]:
    """What the class of that module (a path below the package) takes.

    Raises:
        MissingMeaning: the meaning of an argument is neither in the code nor in arguments.toml, or stands in both.
    """
    tree = ast.parse((ROOT / "asgi_session" / module).read_text())
    node = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    init = next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
    return _fields(node) if init is None else _parameters(node, init)


def _fields(node: ast.ClassDef) -> list[Argument]:
    """Of a dataclass: its fields, each with the docstring that follows it."""
    found = []
    for item, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        name, default = item.target.id, ast.unparse(item.value) if item.value is not None else None
        if name.startswith("_") or (default or "").startswith("field(init=False"):
            continue
        text = text_of(following)
        given = explanations(node.name).get(name)
        if (text is None) == (given is None):
            raise MissingMeaning(
                f"{node.name}.{name}: write its docstring below it, or its meaning in docs/arguments.toml (not both)."
            )
        found.append(Argument(name, ast.unparse(item.annotation), default, text or given or ""))
    refuse_strays(node.name, {argument.name for argument in found})
    return found


def _parameters(node: ast.ClassDef, init: ast.FunctionDef) -> list[Argument]:
    """Of another class: what ``__init__`` takes, explained in the class's ``Args:`` or in arguments.toml."""
    explained = {**_args_section(ast.get_docstring(node) or ""), **explanations(node.name)}
    positional = init.args.args[1:]
    defaults = [None] * (len(positional) - len(init.args.defaults)) + list(init.args.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)]
    found = []
    for parameter, default in pairs:
        if parameter.arg not in explained:
            raise MissingMeaning(f"{node.name}.{parameter.arg}: explain it under [{node.name}] in docs/arguments.toml.")
        type_ = ast.unparse(parameter.annotation) if parameter.annotation is not None else "Any"
        text = None if default is None else ast.unparse(default)
        found.append(Argument(parameter.arg, type_, text, explained[parameter.arg]))
    refuse_strays(node.name, {argument.name for argument in found})
    return found


def refuse_strays(class_name: str, names: set[str]) -> None:
    """What is explained has to exist.

    Raises:
        MissingMeaning: it does not.
    """
    strays = explanations(class_name).keys() - names
    if strays:
        raise MissingMeaning(f"docs/arguments.toml explains what {class_name} does not take: {', '.join(sorted(strays))}.")


@cache
def _all_explanations() -> dict[str, dict[str, str]]:
    return tomllib.loads(ARGUMENTS.read_text())


def explanations(class_name: str) -> dict[str, str]:
    """What arguments.toml says of a class."""
    return _all_explanations().get(class_name, {})


def _args_section(docstring: str) -> dict[str, str]:
    """Name → text of a Google-style ``Args:`` section."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", docstring, re.M | re.S)
    found: dict[str, str] = {}
    name = ""
    for line in section[1].splitlines() if section else ():
        if match := re.match(r" {4}(\w+): (.*)", line):
            name, found[match[1]] = match[1], match[2]
        elif line.strip() and name:
            found[name] += " " + line.strip()
    return found


def text_of(node: ast.stmt | None) -> str | None:
    """The docstring of what stands before this statement, if it is one."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return None
