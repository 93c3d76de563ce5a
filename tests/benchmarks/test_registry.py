"""The list of contenders."""

import ast
from pathlib import Path

import pytest

from benchmarks import contenders
from benchmarks.environments import REQUIREMENTS
from benchmarks.registry import CONTENDERS, Contender, Group, of_group
from benchmarks.suite.over_the_wire import served

FOLDER = Path(contenders.__file__).parent


def test_names_are_unique() -> None:
    """The list has lost none to another one of the same name."""
    functions = [(contender.app, tuple(contender.options.items())) for contender in CONTENDERS.values()]
    assert len(functions) == len(set(functions))


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=lambda contender: contender.name)
def test_contender_can_be_made_and_compared(contender: Contender) -> None:
    """Its function exists and takes its options; what is subtracted is on the floor; its environment is known."""
    module, _, function = contender.app.partition(":")
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    arguments = {
        node.name: [argument.arg for argument in node.args.args] for node in tree.body if isinstance(node, ast.FunctionDef)
    }
    assert arguments[function][0] == "site"
    assert set(contender.options) <= set(arguments[function])
    assert contender.environment in {"bench", *REQUIREMENTS}
    assert not contender.bare or CONTENDERS[contender.bare].group == "floor"


def test_readers_are_told_what_a_peer_does_not_do() -> None:
    """A number alone would compare apples with pears."""
    peers = [contender for contender in of_group("session", "limit", "token") if not contender.is_ours]
    assert len(peers) > 10
    assert all(peer.omits and peer.packages for peer in peers)


@pytest.mark.parametrize("group", ["session", "limit"])
def test_ours_stands_beside_each_peer_under_its_framework(group: Group) -> None:
    """What a framework costs more with a session in it would else be counted for the peer alone."""
    ours = {contender.bare for contender in of_group(group) if contender.is_ours}
    assert {contender.bare for contender in of_group(group) if not contender.is_ours} <= ours


def test_what_is_served_is_known() -> None:
    """The benchmark over the wire names contenders that exist."""
    assert set(served()) <= set(CONTENDERS)
