"""Is there quota for this user, session or token?"""

from typing import Any

import pytest

from asgi_session import RateLimit
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.services.redis import RedisServer
from tests.support.site import SITE, Browser, sessions, visiting


async def test_a_quota_per_user_follows_the_user() -> None:
    """From browser to browser, and not the visitor."""
    async with visiting(sessions(rate_limits=[RateLimit("2/day", key="user")])) as one:
        other = Browser(one.app)
        for browser in (one, other):
            await browser.get("/login?alice")
        assert [(await browser.get("/read")).status for browser in (one, other, one)] == [200, 200, 429]
        assert (await Browser(one.app).get("/read")).status == 200


async def test_a_quota_per_session_stays_with_the_session() -> None:
    """A second session of the same user has its own."""
    async with visiting(sessions(rate_limits=[RateLimit("1/day", key="session")])) as one:
        other = Browser(one.app)
        for browser in (one, other):
            await browser.get("/login?alice")
        assert [(await browser.get("/read")).status for browser in (one, other, one)] == [200, 200, 429]


async def test_a_quota_of_the_applications_own() -> None:
    """Any function of the request; None means that the rule does not apply."""

    def tenant(subject: Any) -> str | None:
        return dict(subject.scope["headers"]).get(b"x-tenant", b"").decode() or None

    async with visiting(sessions(rate_limits=[RateLimit("1/day", key=tenant)])) as browser:
        statuses = [
            (await browser.get("/read", headers=headers)).status
            for headers in ([("x-tenant", "a")], [("x-tenant", "b")], [("x-tenant", "a")], [], [])
        ]
    assert statuses == [200, 200, 429, 200, 200]


async def test_a_refusal_comes_before_the_application() -> None:
    """Nothing of the handler has run, and the session is as it was."""
    ran: list[int] = []

    def once(scope: dict[str, Any]) -> None:
        ran.append(1)
        scope["session"]["n"] = len(ran)

    app = sessions({**SITE, "/once": once}, rate_limits=[RateLimit("1/day", key="user", paths=["/once"])])
    async with visiting(app) as browser:
        await browser.get("/login?alice")
        assert (await browser.get("/once")).status == 200
        refused = await browser.get("/once")
        assert (refused.status, refused.json()["status"], refused.all("set-cookie")) == (429, 429, [])
        assert (await browser.get("/read")).json() == {"n": 1}
    assert ran == [1]


@pytest.mark.parametrize("key", ["user", "session"])
async def test_both_kinds_of_rules_are_announced(key: str) -> None:
    """What the edge said and what was said about the identity, in this order."""
    rules = [RateLimit("10/day", name="address"), RateLimit("5/day", key=key, name="identity")]
    async with visiting(sessions(rate_limits=rules)) as browser:
        await browser.get("/login?alice")
        response = await browser.get("/read")
    assert (response.get("ratelimit-policy") or "").split(", ") == ['"address";q=10;w=86400', '"identity";q=5;w=86400']


async def test_leases_of_a_user_and_a_session(redis_server: RedisServer, redis_url: str, namespace: str) -> None:
    """Two identity rules: together or not at all, told one by one, hardly a trip while busy and none beyond the limit."""
    rules = [
        RateLimit("900/day", key="user", name="user"),
        RateLimit("60/day", key="session", name="session", paths=["/ignore"]),
    ]
    async with visiting(sessions(store=RedisStore(RedisClient(redis_url), namespace=namespace), rate_limits=rules)) as browser:
        await browser.get("/login?alice")
        await browser.get("/read")
        with redis_server.traffic() as traffic:
            for _ in range(400):
                assert (await browser.get("/read")).status == 200
        assert traffic.commands["evalsha"] <= 80
        answers = [await browser.get("/ignore") for _ in range(61)]
        assert [answer.status for answer in answers] == [200] * 60 + [429]
        assert answers[-1].json()["violated-policies"] == ["session"]
        with redis_server.traffic() as traffic:
            assert [(await browser.get("/ignore")).status for _ in range(20)] == [429] * 20
        assert not traffic.commands
        left = (await browser.get("/read")).get("ratelimit")
        assert (left or "").startswith('"user";r=438;')


async def test_a_cost_of_the_requests_own(redis_url: str, namespace: str) -> None:
    """Each cost is counted in full, from the same quota."""

    def cost(subject: Any) -> int:
        return int(dict(subject.scope["headers"]).get(b"x-cost", b"1"))

    rules = [RateLimit("10/day", key="user", cost=cost)]
    async with visiting(sessions(store=RedisStore(RedisClient(redis_url), namespace=namespace), rate_limits=rules)) as browser:
        await browser.get("/login?alice")
        statuses = [(await browser.get("/read", headers=[("x-cost", units)])).status for units in ("4", "4", "4", "1", "2", "1")]
    assert statuses == [200, 200, 429, 200, 429, 200]
