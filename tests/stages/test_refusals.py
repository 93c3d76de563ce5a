"""What the log says of a request that was refused."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from asgi_session import FailureBudget, RateLimit
from tests.support.asgi import Conversation, exchange, respond, websocket_scope
from tests.support.site import bearer, sessions, visiting
from tests.tokens.parts import SigningKey, valid_claims, verifier_of

KEY = SigningKey("ES256")
CROSS = [("sec-fetch-site", "cross-site")]
FORGED = "0" * 45 + "A." + "A" * 43
CLIENT = "198.51.100.7"


Told = Callable[[], list[tuple[str, Mapping[str, Any]]]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """The lines until now, each as its level and fields."""
    caplog.set_level(logging.DEBUG)

    def lines() -> list[tuple[str, Mapping[str, Any]]]:
        records = [record for record in caplog.records if record.name == "asgi_session.refusals"]
        return [(record.levelname, record.__dict__["refusal"]) for record in records]

    return lines


@pytest.mark.security("CS-11")
@pytest.mark.parametrize(
    ("credential", "level", "status", "code", "reason"),
    [
        ("a b", "INFO", 400, "invalid_request", "-"),
        (FORGED, "INFO", 401, "invalid_token", "-"),
        (KEY.sign(valid_claims(aud="another")), "INFO", 401, "invalid_token", "audience"),
        (KEY.sign(valid_claims(exp=1, iat=0)), "INFO", 401, "invalid_token", "expired"),
        (SigningKey("ES256", number=1).sign(), "INFO", 401, "invalid_token", "signature"),
    ],
)
async def test_a_refused_bearer_is_told(told: Told, credential: str, level: str, status: int, code: str, reason: str) -> None:
    """With what was wrong with it, which its client is told only in part."""
    async with visiting(sessions(bearer=verifier_of(KEY)), headers=bearer(credential)) as api:
        assert (await api.get("/read")).status == status
    fields = {"status": status, "code": code, "reason": reason, "method": "GET", "client": CLIENT, "session": "-"}
    assert told() == [(level, fields)]


@pytest.mark.security("CS-11")
async def test_a_refused_cookie_is_told_with_its_session(told: Told) -> None:
    """By the handle, whether the session is known in this process or not; at WARNING, as it takes a cookie of ours."""
    app = sessions()
    async with visiting(app) as browser:
        await browser.get("/login?alice")
        (stored,) = await app.manager.list_for_user("alice")
        await browser.post("/read", headers=CROSS)
        await browser.get("/read")
        await browser.post("/read", headers=CROSS)
    expected = ("WARNING", "cross_site", "POST", stored.handle)
    assert [(level, said["code"], said["method"], said["session"]) for level, said in told()] == [expected] * 2


@pytest.mark.security("CS-11")
async def test_a_refused_handshake_is_told(told: Told) -> None:
    """As one."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        headers = [("cookie", browser.cookie), ("origin", "https://evil.example")]
        async with Conversation(browser.app, websocket_scope("/read", headers=headers)) as talk:
            talk.say("websocket.connect")
            await talk.ended()
    assert [(said["code"], said["method"]) for _, said in told()] == [("cross_site", "WebSocket")]


@pytest.mark.security("CS-11")
async def test_a_quota_that_is_used_up_is_told_by_its_name(told: Told) -> None:
    """Whichever of several it was."""
    app = sessions(rate_limits=[RateLimit("1000/day", name="much"), RateLimit("1/day", name="little")])
    async with visiting(app) as browser:
        for _ in range(2):
            await browser.get("/read")
    assert [(level, said["status"], said["code"], said["reason"]) for level, said in told()] == [
        ("DEBUG", 429, "quota_exceeded", "little")
    ]


@pytest.mark.parametrize("options", [{"rate_limits": RateLimit("1/day")}, {"failed_credentials": FailureBudget("1/day")}])
async def test_a_flood_is_not_told(caplog: pytest.LogCaptureFixture, options: dict[str, Any]) -> None:
    """Of a thousand refusals for a quota or a used-up budget, nothing is written at INFO."""
    caplog.set_level(logging.INFO)
    async with visiting(sessions(**options), headers=bearer(FORGED)) as api:
        await api.get("/read")
        caplog.clear()
        for _ in range(1000):
            assert (await api.get("/read")).status == 429
    assert caplog.records == []


async def test_what_the_application_answers_is_not_told(told: Told) -> None:
    """Also where it refuses."""

    async def forbid(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, status=403)

    async with visiting(sessions(forbid)) as browser:
        assert (await browser.get("/read")).status == 403
    assert told() == []


@pytest.mark.security("LG-03")
async def test_a_method_forges_no_field(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a client writes into it, it stays one short word."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        scope = browser.scope("X client=1 session=\r\n\x1b" + "A" * 1000, "/read", headers=CROSS)
        await exchange(browser.app, scope)
    (record,) = [record for record in caplog.records if record.name == "asgi_session.refusals"]
    fields = [field.partition("=")[0] for field in record.getMessage().removeprefix("refused: ").split(" ")]
    assert fields == ["status", "code", "reason", "method", "client", "session"]
    assert len(record.getMessage()) < 300


@pytest.mark.security("LG-01")
async def test_path_and_query_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """They may hold what opens something."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        await browser.post("/reset/canary?token=canary", headers=CROSS)
    (record,) = [record for record in caplog.records if record.name == "asgi_session.refusals"]
    assert "canary" not in str(vars(record))
