"""Marks follow from the fixtures that a test uses, and `--unit` keeps to what needs none."""

import pytest

pytestmark = pytest.mark.lengthy

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
    marks = "\n".join(f"  {mark}: service" for mark in ("redis", "sentinel", "cluster", "keycloak", "browser", "alone"))
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


def test_what_a_run_starts_once_is_tested_alone(project: pytest.Pytester) -> None:
    """Two processes of one run would each start a Keycloak."""
    project.makepyfile(test_once="def test_keycloak(keycloak): pass")
    result = project.runpytest("--collect-only", "-q", "-m", "alone")
    result.stdout.fnmatch_lines(["*::test_keycloak"])
    result.stdout.no_fnmatch_line("*::test_redis")
