"""What a policy may ask for."""

from typing import Any

import pytest

from asgi_session.tokens import ClaimsPolicy, KeyPolicy


def fields(problems: list[Any]) -> list[str]:
    """Which arguments are said to be wrong."""
    return [problem.field for problem in problems]


def test_defaults_have_no_problem() -> None:
    """The defaults are within their own limits."""
    assert ClaimsPolicy().problems() == [] == KeyPolicy().problems()


@pytest.mark.security("JW-10")
@pytest.mark.parametrize("leeway", [-1, 60.5, float("nan"), True, "30"])
def test_leeway_is_at_most_a_minute(leeway: Any) -> None:
    """Nobody can switch the expiry off by a large leeway."""
    assert fields(ClaimsPolicy(leeway=leeway).problems()) == ["claims.leeway"]


@pytest.mark.security("JW-23")
@pytest.mark.parametrize("max_age", [0, 600.5, float("inf"), None])
def test_keys_age_within_ten_minutes(max_age: Any) -> None:
    """A withdrawn key can't be believed for longer, whatever is configured."""
    assert fields(KeyPolicy(max_age=max_age).problems()) == ["keys.max_age"]


def test_all_problems_are_said_at_once_under_the_name_given() -> None:
    """Whoever configures several verifiers sees which one is meant, and everything that is wrong with it."""
    claims = ClaimsPolicy(max_lifetime=0, required="azp")
    assert fields(claims.problems("bearer[1].claims")) == ["bearer[1].claims.max_lifetime", "bearer[1].claims.required"]
    keys = KeyPolicy(stale_ceiling=-1, cooldown=0, fetch_timeout=60)
    assert fields(keys.problems()) == ["keys.stale_ceiling", "keys.cooldown", "keys.fetch_timeout"]


def test_stale_keys_live_at_least_as_long_as_fresh_ones() -> None:
    """A ceiling below the age would make good keys unusable."""
    assert fields(KeyPolicy(max_age=600, stale_ceiling=599).problems()) == ["keys.stale_ceiling"]
