"""What handlers find in the package's objects: attributes, methods and errors, with what their docstrings promise."""

import ast
import re

from asgi_session import exceptions

from .markdown import prose
from .signatures import ROOT, MissingMeaning, explanations, refuse_strays, text_of
from .values import import_line, module_of, type_text

_HIDDEN = {
    "Session": {"owns", "cleared", "is_managed", "transaction"},
    "SessionManager": {"of_middleware"},
    "VerifiedToken": {"seen_as"},
}
"""What the parts of the package say to each other."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def members(module: str, class_name: str) -> str:
    """The attributes of a class as a table, and its methods as another."""
    tree = ast.parse((ROOT / "asgi_session" / module).read_text())
    node = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    attributes = _attributes(node, module)
    methods = [_method(item) for item in node.body if isinstance(item, Function) and _is_shown(node, item)]
    lines = [f"`{import_line(class_name, module_of(module))}`"]
    if attributes:
        lines += ["", "| attribute | type | what it is |", "|---|---|---|", *attributes]
    if methods:
        lines += ["", "| method | what it promises | raises |", "|---|---|---|", *methods]
    return "\n".join(lines)


def errors() -> str:
    """Every exception with its stable code, in the order of the module; the ones below another follow it."""
    tree = ast.parse((ROOT / "asgi_session" / "exceptions.py").read_text())
    lines = ["| exception | code | is a | what it says |", "|---|---|---|---|"]
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or not issubclass(getattr(exceptions, node.name), exceptions.AsgiSessionError):
            continue
        init = next((item for item in node.body if isinstance(item, ast.FunctionDef)), None)
        told = [f"`{name}`" + (f": {prose(text)}" if text else "") for name, text in _assigned(init)]
        what = " ".join([prose(ast.get_docstring(node) or ""), *([f"Has {'; '.join(told)}"] if told else [])])
        bases = ", ".join(f"`{ast.unparse(base)}`" for base in node.bases)
        lines.append(f"| `{node.name}` | `{getattr(exceptions, node.name).code}` | {bases} | {what} |")
    return "\n".join(lines)


def _attributes(node: ast.ClassDef, module: str) -> list[str]:
    """Fields, what ``__init__`` sets in public, and properties; explained below themselves or in arguments.toml."""
    given, found, rows = explanations(node.name), set[str](), []
    for name, type_, text in _declared(node):
        if name.startswith("_") or name in _HIDDEN.get(node.name, ()):
            continue
        found.add(name)
        meaning = text or given.get(name)
        if meaning is None:
            raise MissingMeaning(f"{node.name}.{name}: write its docstring, or its meaning in docs/arguments.toml.")
        rows.append(f"| `{name}` | {type_text(type_, module_of(module))} | {prose(meaning)} |")
    refuse_strays(node.name, found | _parameters(node))
    return rows


def _declared(node: ast.ClassDef) -> list[tuple[str, str, str | None]]:
    """Name, type and docstring of each attribute."""
    found = []
    for item, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.append((item.target.id, _annotation(item.annotation), text_of(following)))
        elif isinstance(item, ast.FunctionDef) and item.name == "__init__":
            types = {argument.arg: _annotation(argument.annotation) for argument in item.args.args[1:]}
            found += [(name, types[name], text) for name, text in _assigned(item) if text]
        elif isinstance(item, ast.FunctionDef) and any(ast.unparse(one) == "property" for one in item.decorator_list):
            found.append((item.name, _annotation(item.returns), ast.get_docstring(item)))
    return found


def _annotation(node: ast.expr | None) -> str:
    return ast.unparse(node).strip("'\"") if node is not None else "Any"


def _assigned(init: ast.FunctionDef | None) -> list[tuple[str, str | None]]:
    """``self.name = …`` in an ``__init__``, with the docstring below it."""
    found = []
    body = init.body if init is not None else []
    for item, following in zip(body, [*body[1:], None][: len(body)], strict=True):
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Attribute):
            found.append((item.targets[0].attr, text_of(following)))
    return found


def _parameters(node: ast.ClassDef) -> set[str]:
    """Of ``__init__``; configuration.md shows them, from the same explanations."""
    init = next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
    return {argument.arg for argument in [*init.args.args, *init.args.kwonlyargs]} if init is not None else set()


def _is_shown(node: ast.ClassDef, item: Function) -> bool:
    is_property = any(ast.unparse(one) == "property" for one in item.decorator_list)
    hidden = item.name.startswith("_") or item.name in _HIDDEN.get(node.name, ())
    return not (is_property or hidden) and ast.get_docstring(item) is not None


def _method(node: Function) -> str:
    """A row. The docstring's ``Raises:`` has a cell of its own."""
    promise, _, raised = (ast.get_docstring(node) or "").partition("\n\nRaises:\n")
    cases = re.findall(r"^ {4}([\w, ]+): (.*(?:\n {8}.*)*)", raised, re.M)
    cell = "<br>".join(f"`{name}`: {prose(text)}" for name, text in cases)
    call = f"{'await ' if isinstance(node, ast.AsyncFunctionDef) else ''}{node.name}({_signature(node.args)})"
    return f"| `{call}` | {prose(promise)} | {cell} |"


def _signature(arguments: ast.arguments) -> str:
    """Names and defaults, without types: what is typed at the call."""
    plain = ast.parse(f"def f({ast.unparse(arguments)}): ...").body[0]
    assert isinstance(plain, ast.FunctionDef)
    for argument in [*plain.args.args, *plain.args.kwonlyargs]:
        argument.annotation = None
    plain.args.args = plain.args.args[1:]
    return ast.unparse(plain.args)
