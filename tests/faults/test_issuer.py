"""Each cell of the table for the issuer of bearer tokens, through the whole middleware."""

from collections.abc import AsyncIterator

import pytest

from asgi_session import JWTVerifier, SessionMiddleware
from asgi_session.tokens import KeyPolicy
from asgi_session.tokens.fetch import HttpFetch
from tests.faults import table
from tests.faults.client import Answer, ask
from tests.faults.conftest import MakeMiddleware
from tests.faults.issuer_faults import AUDIENCE, Issuer, running_issuer
from tests.tokens.parts import SigningKey

pytestmark = pytest.mark.alone

SLACK = 0.3
"""Seconds that a busy test machine may add to a bound."""
FETCH_IN_TESTS = 0.15
FETCH = HttpFetch()
PASSED = {"stale-key": 700.0, "dead-key": 3700.0}
"""Seconds since the keys were fetched."""

CELLS = [(fault, operation) for fault in table.ISSUER_FAULTS for operation in table.ISSUER_OPERATIONS]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer in good health."""
    async with running_issuer() as issuer:
        await FETCH(issuer.url)  # reads the trusted certificates, once, which takes longer than the tests' deadline
        yield issuer


def _verifier(issuer: Issuer) -> JWTVerifier:
    policy = KeyPolicy(fetch_timeout=FETCH_IN_TESTS, insecure_http=True)
    return JWTVerifier(issuer.url, audience=AUDIENCE, keys=policy, clock=issuer.clock, fetch=FETCH)


@pytest.mark.lengthy
@pytest.mark.security("AV-01", "AV-05", "JW-24")
@pytest.mark.parametrize(("fault", "operation"), CELLS, ids=[f"{fault.name}-{operation.name}" for fault, operation in CELLS])
async def test_cell(fault: table.Fault, operation: table.Operation, issuer: Issuer, make_middleware: MakeMiddleware) -> None:
    """The fault, injected for real, has the outcome that the table promises, in the promised time."""
    expected = table.ISSUER[fault.name][operation.name]
    middleware = make_middleware(bearer=_verifier(issuer), store="memory://")
    first = issuer.token()
    if operation.name not in ("no-keys", "session"):
        assert (await ask(middleware, "/read", bearer=first)).status == 200
    issuer.clock.ahead += PASSED.get(operation.name, 0.0)
    await issuer.begin(fault.name)

    answer = await _request(operation.name, middleware, issuer, first)

    assert answer.status == expected.status
    within = fault.within if expected.within is None else expected.within
    assert answer.seconds < (FETCH_IN_TESTS if within == table.FETCH else within) + SLACK
    assert answer.header("set-cookie") is None
    if expected.status == 503:
        assert int(answer.header("retry-after") or "") >= 1
        assert answer.json["code"] == "unavailable"
        assert answer.header("www-authenticate") is None
    else:
        assert answer.json["authenticated"] is True

    await issuer.end()
    if operation.name == "session":
        return  # the first fetch may still be under way
    issuer.clock.ahead += 60.0
    assert (await ask(middleware, "/read", bearer=issuer.token())).status == 200


async def _request(operation: str, middleware: SessionMiddleware, issuer: Issuer, first: str) -> Answer:
    match operation:
        case "session":
            session = await middleware.manager.create("ann")
            return await ask(middleware, "/read", cookie=session.credential)
        case "known-token":
            return await ask(middleware, "/read", bearer=first)
        case "unknown-key":
            return await ask(middleware, "/read", bearer=issuer.token(SigningKey(kid="key-2", number=2)))
    return await ask(middleware, "/read", bearer=issuer.token(jti="second"))


def test_the_table_names_the_default_deadline() -> None:
    """The tests shorten it; the default is what the table says."""
    assert KeyPolicy().fetch_timeout == table.FETCH


@pytest.mark.parametrize(("operations", "faults", "cells"), [
    (table.ISSUER_OPERATIONS, table.ISSUER_FAULTS, table.ISSUER), (table.REDIS_OPERATIONS, table.REDIS_FAULTS, table.REDIS),
])  # fmt: skip
def test_the_tables_have_no_hole_and_no_stray_cell(
    operations: tuple[table.Operation, ...], faults: tuple[table.Fault, ...], cells: table.Cells
) -> None:
    """Each fault has an outcome for each operation, and no other."""
    assert {fault.name for fault in faults} == set(cells)
    assert all(set(row) == {operation.name for operation in operations} for row in cells.values())
