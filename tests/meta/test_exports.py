"""The public names."""

import ast
import inspect
import typing

import asgi_session
from tests.meta.package import MODULES, PACKAGE, SOURCES, tree_of


def test_all_is_sorted_complete_and_real() -> None:
    """Every name in `__all__` exists, and every public name of the package's own is in it."""
    names = asgi_session.__all__
    assert list(names) == sorted(names, key=lambda name: (name.lower(), name)) or list(names) == sorted(names)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(asgi_session, name), name


def test_a_star_import_brings_just_these() -> None:
    """And nothing that shadows anything."""
    namespace: dict[str, object] = {}
    exec("from asgi_session import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(asgi_session.__all__)


def test_every_public_name_is_documented() -> None:
    """What it promises stands in its docstring; so do those of its public methods."""
    silent = []
    for name in asgi_session.__all__:
        thing = getattr(asgi_session, name)
        if not inspect.getdoc(thing):
            silent.append(name)
        if inspect.isclass(thing) and thing.__module__.startswith("asgi_session"):
            inherited = {*dir(dict), *dir(Exception), *dir(typing.Protocol)}
            silent += [
                f"{name}.{method}"
                for method, value in vars(thing).items()
                if callable(value) and not method.startswith("_") and method not in inherited and not inspect.getdoc(value)
            ]
    assert not silent


def test_every_module_says_what_it_is_for() -> None:
    """In its first line."""
    assert not [str(path.relative_to(PACKAGE)) for path in SOURCES if not ast.get_docstring(tree_of(path))]


def test_the_package_is_typed() -> None:
    """PEP 561."""
    assert (PACKAGE / "py.typed").exists()
    assert len(MODULES) > 50
