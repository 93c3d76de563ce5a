"""Every example starts by its documented command, and every documented curl line answers as its comment says."""

from collections.abc import Callable

import pytest

from tests.examples.conftest import Start
from tests.examples.documented import Curl, lines_of
from tests.servers.programs import ROOT, AsgiServer

pytestmark = pytest.mark.server

NEED_A_SERVICE = {"bearer_api", "multi_worker"}
"""Have tests of their own, with what they need."""
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem != "__init__")
BY_THEMSELVES = [example for example in EXAMPLES if example not in NEED_A_SERVICE]


@pytest.mark.parametrize("example", BY_THEMSELVES)
def test_documented_lines_answer_as_documented(example: str, start: Start, curl: Callable[[AsgiServer], Curl]) -> None:
    """A reader who types the lines in their order sees what the comments promise."""
    documented = lines_of(example, "curl")
    line = curl(start(example))

    seen = [(one.command, line(one.command).status_code) for one in documented]

    assert documented
    assert seen == [(one.command, one.expected_status) for one in documented]


def test_index_lists_every_example() -> None:
    """examples/README.md names each file."""
    index = (ROOT / "examples" / "README.md").read_text()

    assert [example for example in EXAMPLES if f"({example}.py)" not in index] == []
