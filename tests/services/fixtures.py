"""The services as pytest fixtures, the marks that follow from them, and `--unit`.

A service starts when the first test asks for it, once per run. The `own_…` fixtures are for tests that freeze or kill:
their service belongs to that test alone. A test that reaches a service through `request.getfixturevalue` must carry the
mark itself, for example `pytest.param("redis", marks=pytest.mark.redis)`.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.services import keycloak_install
from tests.services.cluster import RedisCluster
from tests.services.fault_proxy import FaultProxy
from tests.services.keycloak import Keycloak
from tests.services.process import ServiceError
from tests.services.realm import Realm
from tests.services.redis import RedisServer, started
from tests.services.sentinel import SentinelSetup

if TYPE_CHECKING:
    from playwright.async_api import Page

MARK_OF_FIXTURE = {
    "redis_server": "redis",
    "own_redis": "redis",
    "sentinel": "sentinel",
    "cluster": "cluster",
    "keycloak": "keycloak",
    "own_keycloak": "keycloak",
    "page": "browser",
}
_STARTING_KEYCLOAK = pytest.StashKey[Keycloak]()
SERVICE_MARKS = (*dict.fromkeys(MARK_OF_FIXTURE.values()), "server")
STARTED_ONCE = {"sentinel", "keycloak", "browser"}
"""Services that several processes of one run should not each start."""


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
        marks = {mark.name for mark in item.iter_markers()}
        if marks & STARTED_ONCE:
            item.add_marker("alone")
    # Keycloak takes its time to start, so what needs it comes last.
    items.sort(key=lambda item: item.get_closest_marker("keycloak") is not None)
    if config.getoption("unit"):
        served = [item for item in items if any(item.get_closest_marker(mark) for mark in SERVICE_MARKS)]
        config.hook.pytest_deselected(items=served)
        items[:] = [item for item in items if item not in served]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let Keycloak start while the other tests run. What hinders it is said by the first test that needs it."""
    wanted = any("keycloak" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and keycloak_install.HOME.exists():
        with contextlib.suppress(ServiceError):
            session.config.stash[_STARTING_KEYCLOAK] = keycloak = Keycloak()
            keycloak.start_in_background()


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


@pytest.fixture
async def fault_proxy() -> AsyncIterator[Callable[[int], Awaitable[FaultProxy]]]:
    """What puts a proxy in front of the port it is called with; to be awaited."""
    async with AsyncExitStack() as proxies:

        async def proxy_for(upstream_port: int) -> FaultProxy:
            return await proxies.enter_async_context(FaultProxy(upstream_port))

        yield proxy_for


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


@pytest.fixture(scope="session")
def keycloak(request: pytest.FixtureRequest) -> Iterator[Keycloak]:
    """The run's Keycloak. Make a realm of your own in it (`realm` is one) and leave it running."""
    _refuse_in_unit_run(request, "keycloak")
    server = request.config.stash.get(_STARTING_KEYCLOAK, None) or Keycloak()
    if not server.process.running:
        server.start_in_background()
    try:
        yield server.wait_ready()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def realm(keycloak: Keycloak) -> Iterator[Realm]:
    """An empty realm of this test module."""
    realm = keycloak.create_realm()
    yield realm
    realm.remove()


@pytest.fixture(scope="module")
def own_keycloak(request: pytest.FixtureRequest) -> Iterator[Keycloak]:
    """A Keycloak of this test module, which its tests may freeze and kill (and start again, empty). 20 s to start."""
    _refuse_in_unit_run(request, "keycloak")
    server = Keycloak()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
async def page(request: pytest.FixtureRequest) -> "AsyncIterator[Page]":
    """An empty page in a real headless Chromium, for an async test."""
    from tests.services.chromium import open_page  # here: playwright is slow to import

    _refuse_in_unit_run(request, "browser")
    async with open_page() as page:
        yield page
