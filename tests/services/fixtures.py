"""The services as pytest fixtures, the marks that follow from them, and `--unit`.

A service starts when the first test asks for it, once per run. The `own_…` fixtures are for tests that freeze or kill:
their service belongs to that test alone. A test that reaches a service through `request.getfixturevalue` must carry the
mark itself, for example `pytest.param("redis", marks=pytest.mark.redis)`.
"""

import uuid
from collections.abc import Iterator

import pytest

from tests.services.cluster import RedisCluster
from tests.services.process import ServiceError
from tests.services.redis import RedisServer, started
from tests.services.sentinel import SentinelSetup

MARK_OF_FIXTURE = {
    "redis_server": "redis",
    "own_redis": "redis",
    "sentinel": "sentinel",
    "cluster": "cluster",
}
SERVICE_MARKS = tuple(dict.fromkeys(MARK_OF_FIXTURE.values()))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--unit`."""
    parser.addoption("--unit", action="store_true", help="run only the tests that need no service")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test by the services it uses, so that `-m redis` and `--unit` need no bookkeeping by hand."""
    for item in items:
        for fixture, mark in MARK_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)
    if config.getoption("unit"):
        served = [item for item in items if any(item.get_closest_marker(mark) for mark in SERVICE_MARKS)]
        config.hook.pytest_deselected(items=served)
        items[:] = [item for item in items if item not in served]


def _refuse_in_unit_run(request: pytest.FixtureRequest, mark: str) -> None:
    if request.config.getoption("unit"):
        raise ServiceError(f"A test without the mark '{mark}' asked for {request.fixturename}: mark it.")


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """The run's Redis. Leave it running and configured as it is; `own_redis` may be mistreated."""
    _refuse_in_unit_run(request, "redis")
    server = started(RedisServer)
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of the run's Redis, emptied for this test."""
    redis_server.cli.flushall()
    return redis_server.url


@pytest.fixture
def own_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A Redis of this test alone, which it may freeze, kill, restart and reconfigure."""
    _refuse_in_unit_run(request, "redis")
    server = started(RedisServer)
    yield server
    server.stop()


@pytest.fixture
def namespace() -> str:
    """A key prefix that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def sentinel(request: pytest.FixtureRequest) -> Iterator[SentinelSetup]:
    """The run's Sentinels with their master and replica."""
    _refuse_in_unit_run(request, "sentinel")
    setup = SentinelSetup()
    try:
        yield setup.start()
    finally:
        setup.stop()


@pytest.fixture
def sentinel_url(sentinel: SentinelSetup) -> Iterator[str]:
    """URL of the run's Sentinels, their Redis emptied for this test; what the test breaks is mended after it."""
    sentinel.master.cli.flushall()
    yield sentinel.url
    sentinel.heal()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    """The run's six-node Redis Cluster."""
    _refuse_in_unit_run(request, "cluster")
    nodes = RedisCluster()
    try:
        yield nodes.start()
    finally:
        nodes.stop()


@pytest.fixture
def cluster_url(cluster: RedisCluster) -> Iterator[str]:
    """URL of the run's Redis Cluster, emptied for this test; what the test breaks is mended after it."""
    cluster.flush()
    yield cluster.url
    cluster.heal()
