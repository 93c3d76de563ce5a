"""Paths of rules: no spelling gets around them, and none splits a quota."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.ratelimit.paths import PathPatterns, canonical_path


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/login/",
        "//login",
        "/LOGIN",
        "/Login//",
        "/%6cogin",
        "/%256cogin",
        "/login;jsessionid=1",
        "/./login",
        "/x/../login",
        "/x/%2e%2e/login",
        "/../login",
        "\\login",
        "/login%20",
        "login",
    ],
)
@pytest.mark.security("RL-13")
def test_rl13_spellings_of_a_path_are_one(path: str) -> None:
    """Case, slashes, dots, parameters and percent-encoding don't get around a rule."""
    assert PathPatterns(["/login"]).match(path)
    assert PathPatterns([path]).match("/login")


@pytest.mark.parametrize("path", ["/", "/logins", "/login/x", "/x/login", "/log%2fin", ""])
def test_exact_pattern_means_nothing_else(path: str) -> None:
    """An exact pattern matches neither its prefix nor what lies below it."""
    assert not PathPatterns(["/login"]).match(path)


@pytest.mark.parametrize(
    ("path", "matches"), [("/api", True), ("/api/", True), ("/API/v1.0/x", True), ("/apis", False), ("/", False)]
)
def test_tree_pattern(path: str, matches: bool) -> None:
    """A pattern with ``/*`` is the path and everything below it."""
    assert PathPatterns(["/other", "/api/*"]).match(path) is matches


@pytest.mark.parametrize("path", ["", "/", "/x", "/x/y.html"])
def test_tree_of_the_root_is_everything(path: str) -> None:
    """``/*`` is every path."""
    assert PathPatterns(["/*"]).match(path)


def test_decoding_ends() -> None:
    """A path that is encoded over and over is decoded a few times only."""
    assert canonical_path("/%2525252525252561") == "/%25252561"


@given(st.text(alphabet="aB/.%2eE5c;\\ ~", max_size=30))
@pytest.mark.security("RL-13")
def test_rl13_canonical_path_is_stable_and_absolute(path: str) -> None:
    """Bringing a path into its canonical form again changes nothing, as far as it was decoded."""
    once = canonical_path(path)
    assert once.startswith("/")
    assert "//" not in once
    if "%" not in once:
        assert canonical_path(once) == once
