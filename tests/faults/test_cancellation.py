"""Clients that go away, and replies that never arrive: nobody gets what is another's, and nothing is done twice."""

import asyncio
import random

import pytest

from asgi_session.cache.policy import CachePolicy
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.faults.client import Answer, ask
from tests.faults.conftest import MakeMiddleware, new_session
from tests.faults.redis_faults import RedisRig
from tests.faults.site import Hook
from tests.services.fault_proxy import HEALTHY, Faults

pytestmark = [pytest.mark.redis, pytest.mark.alone]

SESSIONS = 40
REQUESTS = 4000
AT_ONCE = 200


@pytest.mark.security("ST-08")
async def test_cancelled_requests_mix_up_no_replies(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """Thousands of requests are cancelled at random moments, with replies in pieces: whoever gets an answer gets their own."""
    dice = random.Random(8)
    credentials = [await new_session(rig.server.url, f"user-{at}") for at in range(SESSIONS)]
    patient = RedisStore(RedisClient(rig.url, operation_timeout=60.0))  # however busy the machine is, replies are only in pieces
    middleware = make_middleware(store=patient, cache=CachePolicy(enabled=False))  # so that each request needs one
    await middleware.initialize()
    rig.proxy.faults = Faults(piece_size=97)

    async def request(number: int) -> tuple[int, Answer] | None:
        who = number % SESSIONS
        task = asyncio.create_task(ask(middleware, "/write" if number % 2 else "/read", cookie=credentials[who]))
        for _ in range(dice.randrange(40)):
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            task.cancel()
        try:
            return who, await task
        except asyncio.CancelledError:
            return None

    answered = 0
    for start in range(0, REQUESTS, AT_ONCE):
        for outcome in await asyncio.gather(*(request(number) for number in range(start, start + AT_ONCE))):
            if outcome is not None:
                who, answer = outcome
                assert (answer.status, answer.json["user"]) == (200, f"user-{who}")
                answered += 1
    assert REQUESTS // 8 < answered < REQUESTS
    rig.proxy.faults = HEALTHY
    for who, credential in enumerate(credentials):
        assert (await ask(middleware, "/read", cookie=credential)).json["user"] == f"user-{who}"


@pytest.mark.security("ST-08")
async def test_a_client_that_goes_away_loses_no_commit(rig: RedisRig, make_middleware: MakeMiddleware) -> None:
    """What a request had begun to save is saved to its end, although nobody waits for the response."""
    credential = await new_session(rig.server.url)
    middleware = make_middleware(store=rig.url)
    await middleware.initialize()
    between = asyncio.Event()
    middleware.app.between = _setter(between)  # type: ignore[attr-defined]
    rig.proxy.faults = Faults(delay=0.01)
    request = asyncio.create_task(ask(middleware, "/write", cookie=credential))
    await between.wait()
    sent = rig.proxy.request_bytes
    async with asyncio.timeout(5):
        while rig.proxy.request_bytes == sent:  # the commit is on its way
            await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await middleware.shutdown()
    rig.proxy.faults = HEALTHY
    again = make_middleware(store=rig.url)
    assert (await ask(again, "/read", cookie=credential)).json["data"]["written"] == 1


@pytest.mark.security("ST-09", "AV-01")
@pytest.mark.parametrize("path", ["/write", "/login", "/logout"])
async def test_a_lost_reply_is_never_asked_for_again(rig: RedisRig, make_middleware: MakeMiddleware, path: str) -> None:
    """Redis does what it was asked and the reply is lost: 503, one execution, and the client may repeat its request."""
    credential = await new_session(rig.server.url)
    middleware = make_middleware(store=rig.url)
    await middleware.initialize()
    # the server knows the scripts from then on: it would answer that it does not, and do nothing, to the first who names one
    assert (await ask(middleware, path, cookie=await new_session(rig.server.url))).status == 200
    assert (await ask(middleware, "/read", cookie=credential)).status == 200

    async def lose_replies() -> None:
        rig.proxy.faults = Faults(hold_replies=True)

    middleware.app.between = lose_replies  # type: ignore[attr-defined]
    with rig.server.traffic() as seen:
        assert (await ask(middleware, path, cookie=credential)).status == 503
    rig.proxy.faults = HEALTHY
    assert seen.commands["evalsha"] + seen.commands.get("eval", 0) <= 2  # a load and a step

    answer = await ask(middleware, path, cookie=credential)
    assert answer.status == 200
    expected = {"/write": "ann", "/login": "bob", "/logout": None}[path]
    assert answer.json["user"] == expected
    before = await ask(middleware, "/read", cookie=credential)
    assert before.json["user"] == ("ann" if path == "/write" else None)
    if path == "/write":
        assert before.json["data"]["written"] == 2


def _setter(event: asyncio.Event) -> Hook:
    async def hook() -> None:
        event.set()

    return hook
