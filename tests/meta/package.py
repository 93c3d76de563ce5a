"""The package's own source, for the tests that look at it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "asgi_session"
TESTS = ROOT / "tests"

SOURCES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """`asgi_session/stages/full.py` is `asgi_session.stages.full`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in SOURCES}


@cache
def tree_of(path: Path) -> ast.Module:
    """A module as it is parsed."""
    return ast.parse(path.read_text())


@cache
def imports_of(module: str, *, at_first_use: bool = False) -> frozenset[str]:
    """What a module imports when it is imported itself; `at_first_use`: also inside functions. Not what is only for types."""
    path = MODULES[module]
    tree = tree_of(path)
    nodes = _outside_type_checking(tree) if at_first_use else tree.body
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *_name(node)])
                if node.level
                else node.module
            )
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else f"{base}" for alias in node.names}
    return frozenset(found - {module})


def own_imports_of(module: str, **options: bool) -> set[str]:
    """Those of the package itself, without its name."""
    return {name.removeprefix("asgi_session.") for name in imports_of(module, **options) if name.startswith("asgi_session.")}


def _name(node: ast.ImportFrom) -> list[str]:
    return [node.module] if node.module else []


def _outside_type_checking(tree: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        found += [child, *_outside_type_checking(child)]
    return found
