"""Each cell of the table for a single Redis, through the whole middleware."""

import pytest

from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.faults import table
from tests.faults.conftest import MakeMiddleware
from tests.faults.operations import check, prepare
from tests.faults.redis_faults import RedisRig

pytestmark = [pytest.mark.redis, pytest.mark.alone]

CONNECT_IN_TESTS = 0.2
"""`test_outage.py` has the default's test."""

CELLS = [(fault, operation) for fault in table.SERVER_FAULTS for operation in table.REDIS_OPERATIONS]


@pytest.mark.security("AV-01", "AV-02", "AV-03", "RL-14", "ST-15")
@pytest.mark.parametrize(("fault", "operation"), CELLS, ids=[f"{fault.name}-{operation.name}" for fault, operation in CELLS])
async def test_cell(fault: table.Fault, operation: table.Operation, rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """The fault, injected for real, has the outcome that the table promises, in the promised time."""
    connect_timeout = CONNECT_IN_TESTS if fault.name == "unreachable" else table.CONNECT
    harmed = RedisStore(RedisClient(rig.url, connect_timeout=connect_timeout))
    attempt = await prepare(operation, make_middleware, harmed, lambda: RedisStore(RedisClient(rig.server.url)))
    seen = await attempt.run(lambda: rig.begin(fault.name))
    check(seen, operation, fault, table.REDIS[fault.name][operation.name])
