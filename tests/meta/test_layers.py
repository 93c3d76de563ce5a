"""Imports point one way: middleware → stages → ports → domain → leaves; adapters stand beside and are named in few places."""

from graphlib import CycleError, TopologicalSorter

import pytest

from tests.meta.package import MODULES, own_imports_of

LEAVES = {"exceptions", "clock", "deadline", "challenges", "client_description", "ids"}

ADAPTERS = (
    "redis",
    "stores.memory",
    "stores.redis",
    "ratelimit.redis",
    "ratelimit.memory",
    "ratelimit.leases",
    "ratelimit.fallback",
    "tokens.verifier",
    "tokens.jwks",
    "tokens.keys",
    "tokens.provider",
    "tokens.fetch",
    "adapters",
)
"""What talks to something outside, or keeps it in this process."""

NAME_ADAPTERS = {"wiring", "settings", "stores.urls", "environment"}
"""The composition root, and what makes a store of a URL."""

ABOVE = ("stages", "middleware", "wiring", "lifespan", "manager", "settings", "environment", "transaction")
"""What no adapter may know."""

OUTSIDERS = ("testing", "adapters")
"""Nobody inside imports them."""


def belongs_to(module: str, groups: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or inside one of them."""
    return any(module == group or module.startswith(f"{group}.") for group in groups)


NAMES = sorted(name.removeprefix("asgi_session.") for name in MODULES if name != "asgi_session")


def test_no_module_needs_itself() -> None:
    """There is an order in which each module comes after all that it imports."""
    graph = {name: own_imports_of(f"asgi_session.{name}") for name in NAMES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"An import cycle: {' → '.join(reversed(error.args[1]))}. Move what both need below them.")


def test_leaves_import_nothing_of_the_package() -> None:
    """They can be read alone."""
    for leaf in LEAVES:
        assert not own_imports_of(f"asgi_session.{leaf}"), f"{leaf} is a leaf; move what it needs into it, or take it off the list."


@pytest.mark.parametrize(
    "module", [name for name in NAMES if belongs_to(name, ("stages", "middleware", "transaction", "engine", "cache"))]
)
def test_the_request_path_knows_ports_only(module: str) -> None:
    """No stage names a store, a driver or a provider; wiring.py hands them over."""
    named = {name for name in own_imports_of(f"asgi_session.{module}", at_first_use=True) if belongs_to(name, ADAPTERS)}
    assert not named, f"{module} imports {named}. Take the port (base.py) and let wiring.py choose."


@pytest.mark.parametrize("module", [name for name in NAMES if belongs_to(name, (*ADAPTERS[:-1], "tokens", "ratelimit", "stores"))])
def test_adapters_know_nothing_above_them(module: str) -> None:
    """A store, limiter or verifier can be used without the middleware."""
    named = {name for name in own_imports_of(f"asgi_session.{module}", at_first_use=True) if belongs_to(name, ABOVE)}
    assert not named, f"{module} imports {named}. Adapters implement ports and use the domain; nothing else."


def test_adapters_are_named_in_few_places() -> None:
    """Outside their own folders."""
    for module in NAMES:
        if module in NAME_ADAPTERS or belongs_to(module, (*ADAPTERS, "tokens", "ratelimit", "stores", "testing")):
            continue
        named = {name for name in own_imports_of(f"asgi_session.{module}", at_first_use=True) if belongs_to(name, ADAPTERS)}
        assert not named, f"{module} imports {named}. Name them in wiring.py."


def test_nobody_inside_needs_what_is_for_others() -> None:
    """The contract tests and the adapters for frameworks are imported by those who want them."""
    for module in NAMES:
        if not belongs_to(module, OUTSIDERS):
            named = {name for name in own_imports_of(f"asgi_session.{module}", at_first_use=True) if belongs_to(name, OUTSIDERS)}
            assert not named, f"{module} imports {named}."
