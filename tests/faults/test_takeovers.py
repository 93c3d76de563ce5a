"""Each cell of the table for the death of a server whose place another takes, through the whole middleware."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults import table
from tests.faults.client import ask
from tests.faults.conftest import making_middlewares
from tests.faults.operations import check, limited
from tests.faults.takeovers import ClusterTakeover, Found, SentinelTakeover, take_over
from tests.services.cluster import RedisCluster
from tests.services.sentinel import SentinelSetup

pytestmark = pytest.mark.alone

SLACK = 0.5
"""Seconds that a machine may add to a bound which has half a dozen servers to run beside, and them at their busiest."""
MARKS = {"failing-over": "sentinel", "failed-over": "sentinel", "node-failing-over": "cluster", "node-failed-over": "cluster"}
CELLS = [
    pytest.param(fault, operation, id=f"{fault.name}-{operation.name}", marks=getattr(pytest.mark, MARKS[fault.name]))
    for fault in table.TAKEOVER_FAULTS
    for operation in table.REDIS_OPERATIONS
]


@pytest.fixture(scope="module")
def found_by_sentinels(sentinel: SentinelSetup) -> Iterator[Found]:
    """What was seen while the Sentinels promoted another master."""
    sentinel.master.cli.flushall()
    try:
        yield asyncio.run(take_over(SentinelTakeover(sentinel)))
    finally:
        sentinel.heal()


@pytest.fixture(scope="module")
def found_on_a_cluster(cluster: RedisCluster) -> Iterator[Found]:
    """What was seen while a replica of a Cluster took over."""
    cluster.flush()
    try:
        yield asyncio.run(take_over(ClusterTakeover(cluster, _slot_of_counts(cluster))))
    finally:
        cluster.heal()


@pytest.mark.security("AV-01", "AV-02", "AV-03", "RL-14", "ST-15")
@pytest.mark.parametrize(("fault", "operation"), CELLS)
def test_cell(fault: table.Fault, operation: table.Operation, request: pytest.FixtureRequest) -> None:
    """The fault, injected for real, has the outcome that the table promises, in the promised time."""
    fixture = "found_by_sentinels" if MARKS[fault.name] == "sentinel" else "found_on_a_cluster"
    seen = request.getfixturevalue(fixture)[fault.name, operation.name]
    if isinstance(seen, BaseException):
        raise seen
    check(seen, operation, fault, table.REDIS[fault.name][operation.name], slack=SLACK)


def _slot_of_counts(cluster: RedisCluster) -> int:
    """Where a limit by address keeps what it counts of the tests' client."""

    async def count() -> None:
        async with making_middlewares() as make:
            assert (await ask(make(store=cluster.url, **limited("local")), "/read")).status == 200

    asyncio.run(count())
    (key,) = [key for node in cluster.masters for key in node.cli.keys("*:l:*")]
    return cluster.slot_of(key)
