"""Marks follow from the fixtures that a test uses, and `--unit` keeps to what needs none."""

import re
from pathlib import Path

import pytest

from tests.services.fixtures import SERVICE_MARKS

PROJECT = Path(__file__).parents[2]

_TESTS = """
    import pytest

    def test_plain(): pass
    def test_redis(redis_server): pass
    def test_cluster(cluster_url): pass
    def test_hidden(request): request.getfixturevalue("redis_server")
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project of four tests that may ask for services."""
    marks = "\n".join(f"  {mark}: service" for mark in ("redis", "sentinel", "cluster", "keycloak", "browser"))
    pytester.makeini(f"[pytest]\naddopts = -p tests.services.fixtures\nmarkers =\n{marks}")
    pytester.makepyfile(_TESTS)
    return pytester


def test_unit_deselects_what_uses_a_service(project: pytest.Pytester) -> None:
    """Only tests without service fixtures are left, also where the fixture is used through another."""
    result = project.runpytest("--unit", "-k", "not hidden")
    result.assert_outcomes(passed=1, deselected=3)


def test_a_mark_selects_by_fixture(project: pytest.Pytester) -> None:
    """`-m` works on marks that nobody wrote down."""
    result = project.runpytest("--collect-only", "-q", "-m", "cluster")
    result.stdout.fnmatch_lines(["*::test_cluster"])
    result.stdout.no_fnmatch_line("*::test_redis")


def test_unit_refuses_a_service_asked_for_at_run_time(project: pytest.Pytester) -> None:
    """A test that hides what it needs fails instead of starting a server."""
    result = project.runpytest("--unit", "-k", "hidden")
    result.assert_outcomes(errors=0, failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*without the mark 'redis' asked for redis_server: mark it.*"])


def test_the_two_runs_of_all_tests_leave_nothing_out() -> None:
    """What the first one of `noxfile.py tests` leaves to the second is what the second selects."""
    (selected,) = re.findall(r'^SERVED_OR_SLOW = "(.+)"$', (PROJECT / "noxfile.py").read_text(), re.MULTILINE)
    assert set(selected.split(" or ")) == {*SERVICE_MARKS, "slow"}
