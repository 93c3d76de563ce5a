"""The driver's errors in the package's words; what each reply means on the wire is in test_lane.py."""

import pytest
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ConnectionError,
    MovedError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.redis.errors import from_reply, from_silence, is_silence
from asgi_session.redis.slots import SlotMoving


@pytest.mark.security("LG-01")
def test_a_reply_is_told_by_its_code_alone() -> None:
    """An error whose text repeats the command's words, as Redis' does for unknown ones, is not repeated by us."""
    error = from_reply(ResponseError("unknown command 'FOO', with args beginning with: 'session-id'"), "h:1")
    assert type(error) is StoreError
    assert str(error) == "Redis at h:1 refused a command (ResponseError)."


def test_an_error_without_a_class_of_the_drivers_is_told_by_its_first_word() -> None:
    """For Redis says the code first."""
    assert str(from_reply(ResponseError("WRONGTYPE Operation"), "h:1")) == "Redis at h:1 refused a command (WRONGTYPE)."


@pytest.mark.security("ST-15")
@pytest.mark.parametrize("error", [TryAgainError("x"), AskError("15495 127.0.0.1:7000")])
def test_a_slot_on_the_move_is_told_apart(error: ResponseError) -> None:
    """Unavailable, for the same command works when the move is over; one key alone may be asked for meanwhile."""
    ours = from_reply(error, "h:1")
    assert type(ours) is SlotMoving
    assert isinstance(ours, StoreUnavailable)


def test_a_slot_that_is_elsewhere_is_no_move() -> None:
    """A node of a Cluster that was taken for a single server says so for ever: a wrong set-up, which the driver calls an ASK."""
    assert type(from_reply(MovedError("15495 127.0.0.1:7000"), "h:1")) is StoreError


@pytest.mark.parametrize("error", [ConnectionError("x"), TimeoutError("x"), OSError("x"), ValueError("a defect below us")])
def test_silence_is_unavailability(error: Exception) -> None:
    """Whatever went wrong below, nobody answered."""
    assert type(from_silence(error, "h:1")) is StoreUnavailable
    assert is_silence(error)


def test_refused_credentials_are_an_answer() -> None:
    """The driver calls them a connection error; for us they are a wrong set-up."""
    assert type(from_silence(AuthenticationError("x"), "h:1")) is StoreError
    assert not is_silence(AuthenticationError("x"))


def test_the_cause_is_chained_without_its_frames() -> None:
    """Frames would keep other callers' commands alive."""
    try:
        raise ResponseError("x")
    except ResponseError as error:
        ours = from_reply(error, "h:1")
    assert isinstance(ours.__cause__, ResponseError)
    assert ours.__cause__.__traceback__ is None
