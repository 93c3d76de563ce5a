"""Worker processes."""

from collections.abc import Iterator

import pytest

from benchmarks.children import Child, ChildFailed

ROLE = "tests.benchmarks.roles:Echo"


@pytest.fixture
def child() -> Iterator[Child]:
    """A worker."""
    with Child(ROLE) as child:
        yield child


def test_calls_are_answered(child: Child) -> None:
    """Whatever else the worker prints."""
    assert child.call("say", text="ä\n") == "ä\n"
    assert child.call("say", text="again") == "again"


def test_telling_and_answering_are_two_steps() -> None:
    """So that several workers can work at once."""
    with Child(ROLE) as one, Child(ROLE) as two:
        one.tell("say", text="one")
        two.tell("say", text="two")
        assert [one.answer(), two.answer()] == ["one", "two"]


def test_what_a_worker_raises_is_raised(child: Child) -> None:
    """With its traceback; the worker goes on."""
    with pytest.raises(ChildFailed, match="ValueError: as asked"):
        child.call("fail")
    assert child.call("say", text="still there") == "still there"


def test_end_of_a_worker_is_raised(child: Child) -> None:
    """Nobody waits for an answer that can't come."""
    with pytest.raises(ChildFailed, match="ended with 7"):
        child.call("end")


def test_frozen_worker_goes_on(child: Child) -> None:
    """Between SIGSTOP and SIGCONT it answers nothing, then everything."""
    child.pause()
    child.tell("say", text="later")
    child.resume()
    assert child.answer() == "later"
