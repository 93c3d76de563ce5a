"""The errors that leave the package."""

import inspect

import pytest

import asgi_session
from asgi_session import exceptions
from asgi_session.exceptions import (
    AsgiSessionError,
    ConfigurationError,
    KeysUnavailable,
    Problem,
    SessionValueError,
    StoreError,
    StoreUnavailable,
    TokenError,
    TokenExpired,
    TokenInvalid,
)

ERRORS = [error for _, error in inspect.getmembers(exceptions, inspect.isclass) if issubclass(error, AsgiSessionError)]


def test_each_has_a_code_of_its_own() -> None:
    """Logs, metrics and clients tell them apart by it."""
    codes = {error.code for error in ERRORS}
    assert len(codes) == len(ERRORS)
    assert all(code.isascii() and code.replace("_", "").isalpha() for code in codes)


def test_the_tree_is_drawn_as_it_is() -> None:
    """The docstring names every class, below its base."""
    drawing = exceptions.__doc__ or ""
    for error in ERRORS:
        line = next(line for line in drawing.splitlines() if error.__name__ in line.split())
        depth = len(line) - len(line.lstrip(" │├└─"))
        assert depth == 4 * len([base for base in error.__mro__ if base in ERRORS]), error


def test_all_are_public() -> None:
    """Whoever has to catch one finds it in the package."""
    assert {error.__name__ for error in ERRORS} <= set(asgi_session.__all__)


def test_absent_invalid_and_unavailable_never_merge() -> None:
    """No `except` for one of the three outcomes catches another (design rule 1)."""
    assert not issubclass(StoreUnavailable, TokenError)
    assert not issubclass(KeysUnavailable, TokenInvalid | StoreError)
    assert not issubclass(TokenInvalid, StoreError | KeysUnavailable)
    assert issubclass(TokenExpired, TokenInvalid)
    assert issubclass(SessionValueError, ValueError)


@pytest.mark.parametrize(("count", "words"), [(1, "1 problem:"), (2, "2 problems:")])
def test_a_configuration_error_lists_everything(count: int, words: str) -> None:
    """Each problem on a line of its own: argument, what is wrong, what to do."""
    problems = [Problem(f"argument{number}", "is wrong.", "Do this.") for number in range(count)]
    error = ConfigurationError(problems)
    assert words in str(error)
    assert str(error).count("\n  - argument") == count
    assert "argument0: is wrong. Do this." in str(error)
    assert error.problems == tuple(problems)


@pytest.mark.parametrize("error", [StoreUnavailable, KeysUnavailable])
def test_whoever_is_unavailable_says_for_how_long(error: type[StoreUnavailable]) -> None:
    """One second unless somebody knows better."""
    assert error("down").retry_after == 1.0
    assert error("down", retry_after=5).retry_after == 5


def test_a_refused_token_has_a_reason() -> None:
    """For metrics; the text is for people."""
    assert TokenInvalid("audience", "The token is for another service.").reason == "audience"
