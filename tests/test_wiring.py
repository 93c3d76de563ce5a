"""The composition root: what is made of the arguments, and what is said at the start."""

from typing import Any

import pytest

from asgi_session import CSRFPolicy, FailureBudget, JWTVerifier, RateLimit
from tests.support.configuration import fields_of_problems
from tests.support.site import SECRET, Browser, sessions, visiting
from tests.tokens.parts import SigningKey, verifier_of

KEY = SigningKey("ES256")

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"on_store_error": "ignore"}, "on_store_error"),
    ({"trusted_proxies": ["*"]}, "trusted_proxies"),
    ({"trusted_proxies": ["proxy.example"]}, "trusted_proxies"),
    ({"rate_limits": [RateLimit("much")]}, "rate_limits[0].limit"),
    ({"rate_limits": [RateLimit("1/day", name="a"), RateLimit("2/day", name="a")]}, "rate_limits"),
    ({"rate_limits": RateLimit("much")}, "rate_limits.limit"),
    ({"failed_credentials": FailureBudget("many")}, "failed_credentials.limit"),
    ({"csrf": CSRFPolicy(trusted_origins=["https://app.example/"])}, "csrf.trusted_origins[0]"),
    ({"bearer": JWTVerifier("", audience="api")}, "bearer.issuer"),
    ({"bearer": [verifier_of(KEY), JWTVerifier("https://b.example", audience="")]}, "bearer[1].audience"),
    ({"bearer": [verifier_of(KEY), verifier_of(KEY)]}, "bearer"),
]


@pytest.mark.security("AV-09")
@pytest.mark.parametrize(("options", "field"), MISTAKES)
async def test_the_mistakes_of_every_part_are_collected(options: dict[str, Any], field: str) -> None:
    """Whoever has arguments is asked for their problems before anything starts."""
    assert field in await fields_of_problems(**options)


async def test_making_a_middleware_opens_nothing() -> None:
    """Neither a store nor an issuer that are not there are noticed before the start; mistakes neither."""
    sessions(store="redis://127.0.0.1:1/0", bearer=JWTVerifier("https://127.0.0.1:1/realms/a", audience="api"))
    sessions(store="redis://127.0.0.1:1/not-a-number", secret_key="", rate_limits=[RateLimit("much")])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"store": None}, ["this process's memory"]),
        ({"secret_key": "short"}, ["shorter than 32 characters"]),
        ({"secret_key": [SECRET, "short"]}, ["shorter than 32 characters"]),
        ({}, []),
    ],
)
async def test_what_is_right_for_development_only_is_said_once(
    options: dict[str, Any], said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A line in the log at the start, and none at the requests."""
    async with visiting(sessions(**options)) as browser:
        await browser.get("/count")
        await browser.get("/read")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == len(said)
    for warning, words in zip(warnings, said, strict=True):
        assert words in warning
        assert "short" not in warning.replace("shorter", "")


async def test_one_verifier_is_as_good_as_a_list_of_one() -> None:
    """`bearer=verifier` and `bearer=[verifier]`."""
    for given in (verifier_of(KEY), [verifier_of(KEY)], (verifier_of(KEY),)):
        async with visiting(sessions(bearer=given), headers=[("authorization", f"Bearer {KEY.sign()}")]) as api:
            assert (await api.get("/who")).json()["user"] == "user-1"


async def test_the_manager_and_the_handlers_see_the_same_sessions() -> None:
    """`middleware.manager` makes a session that a browser can use, and ends it."""
    async with visiting(sessions()) as browser:
        manager = browser.app.manager
        made = await manager.create("alice", {"a": 1})
        guest = Browser(browser.app, headers=[("authorization", f"Bearer {made.credential}")])
        assert (await guest.get("/read")).json() == {"a": 1}
        await manager.revoke_user("alice")
        assert (await guest.get("/read")).status == 401


async def test_limits_are_counted_where_the_sessions_live(redis_url: str) -> None:
    """Two middlewares on one Redis share a quota; in memory each has its own."""
    for store, statuses in ((redis_url, [200, 429]), ("memory://", [200, 200])):
        seen = []
        for _ in range(2):
            async with visiting(sessions(store=store, rate_limits=[RateLimit("1/day")])) as browser:
                seen.append((await browser.get("/read")).status)
        assert seen == statuses
