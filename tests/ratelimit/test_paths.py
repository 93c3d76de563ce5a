"""Paths of rules: no spelling gets around them, and none splits a quota."""

from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
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
    "path",
    [
        "/api/search/shoes/../../..",
        "/api/search/shoes/%2e%2e/%2e%2e/%2e%2e",
        "/api/search/shoes\\..\\..\\..",
        "/api/search/shoes%5C..%5C..%5C..",
        "/api%2fsearch/..",
        "/api/;x/..;y/..",
        "/x//../../api/y",
        "/x%2f..%2fapi/y",
        "/x/..\\api\\y",
    ],
)
@pytest.mark.security("RL-13")
def test_rl13_dots_lead_out_of_no_tree(path: str) -> None:
    """A router that takes dots literally serves them below the tree, and one that resolves them may lead into it."""
    assert PathPatterns(["/api/*"]).match(path)


@pytest.mark.parametrize("path", ["/login/x/..", "/login/%2e%2e/login", "/login/.", "/login;a%2fb", "/a/../login", "/a\\..\\login"])
@pytest.mark.security("RL-13")
def test_rl13_dots_hide_no_exact_path(path: str) -> None:
    """Whichever way they are resolved."""
    assert PathPatterns(["/login"]).match(path)


@pytest.mark.parametrize("path", ["/x/..", "/static/../x/y.css", "/apis/../x"])
def test_dots_are_not_everything(path: str) -> None:
    """A path with dots belongs to no pattern whose segments it has not."""
    assert not PathPatterns(["/api/*", "/login"]).match(path)


@pytest.mark.parametrize("path", ["/files/api/a%2fb", "/files/api/a;v=1", "/files/api/100%", "/files/api/a.b..c"])
def test_what_has_no_dots_is_read_from_its_beginning(path: str) -> None:
    """Encoded slashes and parameters, which honest clients send, put a path into no tree that it only mentions."""
    assert not PathPatterns(["/api/*"]).match(path)


@pytest.mark.security("RL-13")
def test_rl13_an_odd_path_without_end_belongs_to_every_pattern() -> None:
    """It costs nothing to say so; a plain one is still what it says."""
    assert PathPatterns(["/login"]).match("/x%2f" * 1000)
    assert not PathPatterns(["/login"]).match("/x" * 10_000)


PIECES = (
    *("api", "login", "x", "A", "/", "\\", "..", ".", ";", " "),
    *("%2e", "%2E", "%2f", "%5c", "%3b", "%61", "%25", "2e", "2f", "5c"),
)
PATHS = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@given(PATHS, st.text(max_size=30))
@pytest.mark.security("RL-13")
def test_rl13_what_begins_with_a_tree_belongs_to_it(rest: str, more: str) -> None:
    """Whatever follows."""
    assert PathPatterns(["/api/*"]).match("/api/" + rest + more)


@given(PATHS)
@pytest.mark.security("RL-13")
def test_rl13_no_reading_gets_around_a_rule(path: str) -> None:
    """Whoever decodes, resolves dots, takes a backslash for a slash, cuts parameters: in any order, each as often as they like."""
    readings = set(every_reading("/" + path))
    assume(len(readings) > 1)
    if any(reading.startswith("/api/") for reading in readings):
        assert PathPatterns(["/api/*"]).match("/" + path)
    if "/login" in readings:
        assert PathPatterns(["/login"]).match("/" + path)


def every_reading(path: str) -> Iterator[str]:
    """All that servers, proxies and routers may make of a path."""
    found, waiting = {path}, [path]
    while waiting and len(found) < 500:
        reading = waiting.pop(0)
        yield reading
        for read in READERS:
            other = read(reading)
            if other not in found:
                found.add(other)
                waiting.append(other)


def resolved(path: str) -> str:
    """Dots resolved as RFC 3986 §5.2.4 does it: what is empty between two slashes is a segment."""
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    return "/" + "/".join(segments)


def without_doubled_slashes(path: str) -> str:
    """As most proxies have it."""
    return "/" + "/".join(filter(None, path.split("/")))


def without_parameters(path: str) -> str:
    """As servlet containers have it."""
    return "/".join(segment.partition(";")[0] for segment in path.split("/"))


READERS: tuple[Callable[[str], str], ...] = (
    unquote,
    lambda path: path.replace("\\", "/"),
    lambda path: path.lower(),
    resolved,
    without_doubled_slashes,
    without_parameters,
)


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
