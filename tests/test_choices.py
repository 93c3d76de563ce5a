"""What a middleware is told about requests: lists and lone ones, and whose mistake is whose."""

from typing import Any

import pytest

from asgi_session import CachePolicy, CSRFPolicy, FailureBudget, JWTVerifier, RateLimit, TrustedProxies, ValidationPolicy
from tests.support.asgi import exchange, http_scope
from tests.support.configuration import fields_of_problems, problems_with
from tests.support.site import sessions, visiting
from tests.tokens.parts import SigningKey, verifier_of

KEY = SigningKey("ES256")


async def test_a_lone_rule_is_a_list_of_one() -> None:
    """`rate_limits=RateLimit(...)` limits, as `rate_limits=[RateLimit(...)]` does."""
    for given in (RateLimit("1/day"), [RateLimit("1/day")]):
        async with visiting(sessions(rate_limits=given)) as browser:
            assert [(await browser.get("/read")).status for _ in range(2)] == [200, 429]


async def test_none_is_an_empty_list() -> None:
    """Nothing verifies tokens, nothing limits, no proxy is believed."""
    async with visiting(sessions(bearer=None, rate_limits=None, trusted_proxies=None)) as browser:
        response = await browser.get("/who", headers=[("authorization", f"Bearer {KEY.sign()}")])
    assert (response.status, response.json()["user"]) == (200, None)


POLICIES: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "csrf",
        CSRFPolicy,
        {"trusted_origins": 5, "external_origin": 5, "exempt_paths": 5, "strict": 5, "custom_header": 5, "enabled": 5},
    ),
    ("cache", CachePolicy, {"max_entries": "5", "max_bytes": 5.5, "max_age": "5", "absent_age": "5", "enabled": 5}),
    ("validation", ValidationPolicy, {"full_every": "5", "always_full": 5}),
    (
        "rate_limits",
        RateLimit,
        {"limit": 5, "key": 5, "name": 5, "methods": 5, "paths": 5, "cost": "5", "strategy": 5, "stage": 5, "legacy_headers": 5},
    ),
    ("failed_credentials", FailureBudget, {"limit": 5, "name": 5, "shared": 5, "on_store_error": 5}),
    ("bearer", JWTVerifier, {"issuer": ["x"], "audience": 5, "algorithms": 5, "claims": None, "keys": None, "cache_size": "5"}),
    ("trusted_proxies", TrustedProxies, {"proxies": 5, "header": 5}),
]
NEEDED = {RateLimit: {"limit": "9/minute"}, JWTVerifier: {"issuer": "https://id.example.org", "audience": "api"}}


@pytest.mark.security("AV-09")
@pytest.mark.parametrize(
    ("argument", "kind", "name", "value"),
    [(argument, kind, name, value) for argument, kind, wrong in POLICIES for name, value in wrong.items()],
)
async def test_a_wrong_type_inside_an_argument_is_told_at_the_start(argument: str, kind: Any, name: str, value: Any) -> None:
    """Neither the object's constructor nor the middleware's raises; the argument's own name comes first, then the object's."""
    (found,) = await fields_of_problems(**{argument: kind(**{**NEEDED.get(kind, {}), name: value})})
    assert found.partition("[")[0] == (argument if name == "proxies" else f"{argument}.{name}")


async def test_members_keep_their_places() -> None:
    """The mistakes of the third verifier are told as those of the third, also where the first is none."""
    wrong = JWTVerifier("https://b.example", audience="")
    assert await fields_of_problems(bearer=["x", verifier_of(KEY), wrong]) == {"bearer[0]", "bearer[2].audience"}
    assert await fields_of_problems(rate_limits=["9/day", RateLimit("?")]) == {"rate_limits[0]", "rate_limits[1].limit"}


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"csrf": CSRFPolicy(trusted_origins="https://a.example")}, None),
        ({"csrf": CSRFPolicy(trusted_origins="https://a.example/")}, "csrf.trusted_origins[0]"),
        ({"csrf": CSRFPolicy(exempt_paths="/hooks")}, None),
        ({"csrf": CSRFPolicy(exempt_paths="hooks")}, "csrf.exempt_paths[0]"),
        ({"validation": ValidationPolicy(always_full="/admin/*")}, None),
        ({"validation": ValidationPolicy(always_full="admin")}, "validation.always_full[0]"),
        ({"trusted_proxies": "10.0.0.0/8"}, None),
        ({"trusted_proxies": "proxy.example"}, "trusted_proxies"),
    ],
)
async def test_a_lone_text_is_one_member(policy: dict[str, Any], field: str | None) -> None:
    """Not a list of its letters, each of which would be a mistake of its own."""
    assert [problem.field for problem in await problems_with(**policy)] == ([] if field is None else [field])


async def test_what_to_do_is_said_in_code() -> None:
    """For the mistakes that are made most."""
    for options, words in (
        ({"rate_limits": ["100/minute"]}, 'RateLimit("100/minute")'),
        ({"failed_credentials": "300/minute"}, 'FailureBudget("300/minute")'),
        ({"csrf": None}, "enabled=False"),
        ({"cache": None}, "enabled=False"),
    ):
        (problem,) = await problems_with(**options)
        assert words in problem.fix


@pytest.mark.security("RL-08")
async def test_proxies_that_write_one_header() -> None:
    """A `TrustedProxies` says which header is believed; a client's own try with the other one changes nothing."""
    seen: list[Any] = []
    for header, address in (("forwarded", "203.0.113.7"), ("x-forwarded-for", "1.2.3.4"), (None, None)):
        proxies = TrustedProxies(["10.0.0.0/8"], header=header)  # type: ignore[arg-type]
        app = sessions({"/": lambda scope: seen.append(scope["asgi_session"].client_ip)}, trusted_proxies=proxies)
        headers = [("forwarded", "for=203.0.113.7"), ("x-forwarded-for", "1.2.3.4")]
        await exchange(app, http_scope(client=("10.0.0.1", 1), headers=headers))
        await app.shutdown()
        assert seen.pop() == address
