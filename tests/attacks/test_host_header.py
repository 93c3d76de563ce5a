"""A request lies about where it goes: Host, forwarded names, rewritten URLs, friendly user agents."""

from typing import Any

import pytest

from asgi_session import CSRFPolicy, RateLimit
from asgi_session.cache.policy import ValidationPolicy
from tests.support.asgi import exchange, http_scope
from tests.support.site import SITE, sessions, visiting

CROSS = ("sec-fetch-site", "cross-site")
LIES = [
    [("host", "app.example/hooks")],
    [("host", "app.example?/hooks")],
    [("host", "app.example#/hooks")],
    [("x-forwarded-host", "app.example/hooks")],
    [("x-forwarded-uri", "/hooks")],
    [("x-original-url", "/hooks")],
    [("x-rewrite-url", "/hooks")],
    [("x-forwarded-prefix", "/hooks")],
    [("x-forwarded-path", "/hooks")],
    [("forwarded", 'host="app.example/hooks"')],
    [("referer", "https://app.example/hooks")],
]


@pytest.mark.security("IN-10")
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie[0][0]} {lie[0][1]}")
async def test_only_the_routed_path_is_exempt(lie: list[tuple[str, str]]) -> None:
    """Neither a URL rebuilt from Host, nor the raw path, nor what a header says exempts a request from the cross-site check."""
    policy = CSRFPolicy(exempt_paths=["/hooks"])
    async with visiting(sessions({**SITE, "/hooks": SITE["/read"]}, csrf=policy)) as browser:
        await browser.get("/login?alice")
        scope = browser.scope("POST", "/read", headers=[CROSS, *lie]) | {"raw_path": b"/hooks", "query_string": b"/hooks"}
        if lie[0][0] == "host":
            scope["headers"] = [header for header in scope["headers"] if header != (b"host", b"app.example")]
        assert (await exchange(browser.app, scope)).status == 403
        assert (await browser.post("/hooks", headers=[CROSS])).status == 200


@pytest.mark.security("IN-10")
async def test_the_mount_point_is_part_of_the_path() -> None:
    """With a root_path, as servers and Starlette have it, `path` is the whole path; the exemption is of the whole path too."""
    policy = CSRFPolicy(exempt_paths=["/app/hooks"])
    async with visiting(sessions({**SITE, "/app/hooks": SITE["/read"], "/hooks": SITE["/read"]}, csrf=policy)) as browser:
        await browser.get("/login?alice")
        for path, status in (("/app/hooks", 200), ("/hooks", 403)):
            scope = browser.scope("POST", path, headers=[CROSS]) | {"root_path": "/app"}
            assert (await exchange(browser.app, scope)).status == status


@pytest.mark.security("IN-10")
async def test_limits_and_full_validation_go_by_the_routed_path() -> None:
    """A rule for /login is not avoided by another raw path, nor met by a query that looks like it."""
    rules = [RateLimit("1/day", paths=["/login"])]
    policy = ValidationPolicy(always_full=["/login"])
    async with visiting(sessions(rate_limits=rules, validation=policy)) as browser:
        assert (await browser.get("/login")).status == 200
        assert (await browser.get("/read?/login")).status == 200
        scope = http_scope(path="/login") | {"raw_path": b"/read"}
        assert (await exchange(browser.app, scope)).status == 429


@pytest.mark.security("IN-10")
@pytest.mark.parametrize(
    ("root", "path"),
    [("", "/bank"), ("/api", "/api/bank"), ("/api/", "/api/bank"), ("/api", "/api//bank/"), ("/api", "/bank"), ("/", "/bank")],
)
async def test_limits_and_full_validation_hold_below_a_mount_point(root: str, path: str) -> None:
    """What is said of /bank is said of the route /bank, whatever `root_path` a server or a mount puts before it."""
    site = {**SITE, path: lambda scope: scope["asgi_session"].verdict.reason}
    app = sessions(site, rate_limits=[RateLimit("2/day", paths=["/bank"])], validation=ValidationPolicy(always_full=["/bank"]))
    async with visiting(app) as browser:
        await browser.get("/login?alice")
        await browser.get("/read")
        responses = [await exchange(app, browser.scope("GET", path) | {"root_path": root}) for _ in range(3)]
    assert [response.status for response in responses] == [200, 200, 429]
    assert responses[1].json() == "route"


@pytest.mark.security("IN-10")
@pytest.mark.parametrize(
    ("root", "path", "status"),
    [
        ("/api", "/login", 429),
        ("/api", "/api/login", 429),
        ("/api", "/apis/login", 200),
        ("/api", "/api", 200),
        ("", "/login", 200),
    ],
)
async def test_a_rule_may_name_the_mount_point_too(root: str, path: str, status: int) -> None:
    """As clients see the path; also where the server leaves the mount point out of it."""
    app = sessions({path: SITE["/read"]}, rate_limits=[RateLimit("1/day", paths=["/api/login"])])
    async with visiting(app) as browser:
        scope = browser.scope("GET", path) | {"root_path": root}
        statuses = [(await exchange(browser.app, dict(scope))).status for _ in range(2)]
    assert statuses == [200, status]


@pytest.mark.security("IN-11")
async def test_nothing_that_we_answer_is_made_of_the_host() -> None:
    """No header and no body of ours repeats Host or X-Forwarded-Host, accepted or refused."""
    lie = [("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http"), ("forwarded", "host=evil.example")]
    requests: list[tuple[str, Any]] = [
        ("/login", []),
        ("/logout", []),
        ("/read", [("authorization", "Bearer a b")]),
        ("/read", [CROSS]),
    ]
    async with visiting(sessions(), host="evil.example") as browser:
        for path, headers in requests:
            response = await browser.post(path, headers=[*lie, *headers])
            assert b"evil" not in response.body
            assert not any(b"evil" in name + value for name, value in response.start["headers"])


AGENTS = ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "curl/8", "", "Mozilla/5.0"]
PROBES = [
    "/health",
    "/healthz",
    "/ping",
    "/ready",
    "/livez",
    "/robots.txt",
    "/favicon.ico",
    "/.well-known/x",
    "/static/x",
    "/metrics",
]


@pytest.mark.security("IN-13")
async def test_no_agent_and_no_path_is_let_off() -> None:
    """Probes and well-known names are checked, counted and refused like all others."""
    for agent in AGENTS:
        headers = [("user-agent", agent)]
        async with visiting(sessions(), headers=headers) as browser:
            await browser.get("/login?alice")
            for path in PROBES:
                assert (await browser.post(path, headers=[CROSS])).status == 403
                assert (await browser.get(path, headers=[("authorization", "Bearer a b")])).status == 400
        async with visiting(sessions(rate_limits=[RateLimit("1/day")]), headers=headers) as browser:
            assert [(await browser.get(path)).status for path in ("/", *PROBES)] == [404] + [429] * len(PROBES)


@pytest.mark.security("CS-13")
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
async def test_no_origin_is_ever_reflected(method: str) -> None:
    """We add no Access-Control header to any answer, accepted, refused or preflight."""
    preflight = [("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")]
    cases: list[list[tuple[str, str]]] = [[], [CROSS], [("authorization", "Bearer a b")]]
    async with visiting(sessions(csrf=CSRFPolicy(trusted_origins=["https://other.example"]))) as browser:
        await browser.get("/login?alice")
        for origin in ("https://evil.example", "https://other.example", "null"):
            for extra in cases:
                response = await browser.request(method, "/read", headers=[("origin", origin), *preflight, *extra])
                assert not [name for name, _ in response.start["headers"] if name.startswith(b"access-control")]
                assert origin.encode() not in response.body
