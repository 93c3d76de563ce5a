"""Bounds and intervals that would mean nothing are refused at start."""

import pytest

from asgi_session import CachePolicy, ConfigurationError, ValidationPolicy
from tests.support.site import sessions


@pytest.mark.parametrize("policy", [CachePolicy(), CachePolicy(enabled=False), CachePolicy(absent_age=0), CachePolicy(max_age=300)])
def test_sensible_bounds_are_no_problem(policy: CachePolicy) -> None:
    """The defaults and the ends of each range."""
    assert policy.problems() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"max_entries": 0}, "cache.max_entries"),
        ({"max_bytes": 0}, "cache.max_bytes"),
        ({"max_age": 0}, "cache.max_age"),
        ({"max_age": 301}, "cache.max_age"),
        ({"max_age": float("nan")}, "cache.max_age"),
        ({"absent_age": -1}, "cache.absent_age"),
        ({"absent_age": 61}, "cache.absent_age"),
    ],
)
def test_bounds_that_hold_nothing_or_too_long(wrong: dict[str, float], field: str) -> None:
    """Each is named, with what to do."""
    (problem,) = CachePolicy(**wrong).problems()  # type: ignore[arg-type]
    assert problem.field == field
    assert problem.fix


@pytest.mark.parametrize("path", ["/account", "/", "/admin/*", "/*"])
def test_paths_of_the_full_tier(path: str) -> None:
    """A path, or everything below one."""
    assert ValidationPolicy(always_full=[path]).problems() == []


@pytest.mark.parametrize("path", ["account", "", "/a*", "*", "/a/*/b", "/*/"])
def test_paths_that_are_none(path: str) -> None:
    """A pattern that would match nothing is no silent gap in the protection."""
    (problem,) = ValidationPolicy(always_full=["/fine", path]).problems()
    assert problem.field == "validation.always_full[1]"


@pytest.mark.parametrize("seconds", [-1, 3601, float("nan")])
def test_intervals_that_are_none(seconds: float) -> None:
    """A full validation is due at least every hour."""
    (problem,) = ValidationPolicy(full_every=seconds).problems()
    assert problem.field == "validation.full_every"


@pytest.mark.security("AV-09")
async def test_the_start_names_every_mistake() -> None:
    """Those of both policies, at once."""
    app = sessions(cache=CachePolicy(max_age=0), validation=ValidationPolicy(full_every=-1))
    with pytest.raises(ConfigurationError) as refused:
        await app.initialize()
    assert {problem.field for problem in refused.value.problems} == {"cache.max_age", "validation.full_every"}
