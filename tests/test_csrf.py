"""The table of the cross-site check, and what can't be configured.

Its rows are those that Go's `CrossOriginProtection` is held to, and some more.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.csrf import CSRFPolicy
from tests.support.asgi import http_scope, websocket_scope

OWN = "https://app.example"


def scope_with(*, site: str | None = None, origin: str | None = None, headers: Any = (), **parts: Any) -> dict[str, Any]:
    """An unsafe request."""
    known = [("sec-fetch-site", site), ("origin", origin)]
    return http_scope("POST", headers=[*((name, value) for name, value in known if value is not None), *headers], **parts)


FETCH_METADATA = [
    # Sec-Fetch-Site, Origin, passes
    ("same-origin", None, True),
    ("none", None, True),
    ("same-site", None, False),
    ("cross-site", None, False),
    ("same-origin", "https://evil.example", True),
    ("cross-site", OWN, False),
    ("same-site", OWN, False),
    ("Same-Origin", None, False),
    ("NONE", None, False),
    ("same-origin ", None, False),
    ("", None, False),
    ("bogus", None, False),
    ("same-origin, cross-site", None, False),
    (None, None, True),
    (None, OWN, True),
    (None, "https://APP.example", True),
    (None, "https://app.example:443", True),
    (None, "http://app.example", False),
    (None, "https://app.example:8443", False),
    (None, "https://evil.example", False),
    (None, "https://app.example.evil.example", False),
    (None, "https://evil-app.example", False),
    (None, "https://sub.app.example", False),
    (None, "null", False),
    (None, "", False),
    (None, "app.example", False),
    (None, "//app.example", False),
    (None, "https://app.example/", False),
    (None, "https://app.example/path", False),
    (None, "https://user@app.example", False),
    (None, "https://app.example@evil.example", False),
    (None, "https://app.example:port", False),
    (None, "https://app.example:99999", False),
    (None, "ftp://app.example", False),
    (None, "https://[::1", False),
    (None, "https://app.example https://app.example", False),
]


@pytest.mark.security("CS-01", "CS-02")
@pytest.mark.parametrize(("site", "origin", "passes"), FETCH_METADATA)
def test_what_the_browser_says_decides(site: str | None, origin: str | None, passes: bool) -> None:
    """Sec-Fetch-Site first; without it Origin, which has to be ours as a whole; neither means that it was no browser."""
    assert CSRFPolicy().allows(scope_with(site=site, origin=origin)) is passes


@pytest.mark.security("CS-01", "CS-02")
def test_headers_that_no_browser_repeats() -> None:
    """Two of either are refused, even where both are good."""
    for name, value in (("sec-fetch-site", "same-origin"), ("origin", OWN)):
        assert not CSRFPolicy().allows(scope_with(headers=[(name, value)] * 2))


@pytest.mark.security("CS-02")
def test_the_origin_is_compared_with_the_host_that_was_asked() -> None:
    """Scheme, host and port; behind a proxy that ends TLS the page is https where we are told http, never the other way round."""
    policy = CSRFPolicy()
    assert policy.allows(scope_with(origin="http://app.example", scheme="http"))
    assert policy.allows(scope_with(origin="https://app.example", scheme="http"))
    assert not policy.allows(scope_with(origin="http://app.example", scheme="https"))
    assert policy.allows(scope_with(origin="http://localhost:8000", scheme="http", host="localhost:8000"))
    assert not policy.allows(scope_with(origin="http://localhost:8001", scheme="http", host="localhost:8000"))
    assert policy.allows(scope_with(origin="http://[::1]:8000", scheme="http", host="[::1]:8000"))


@pytest.mark.security("CS-02")
def test_without_exactly_one_host_no_origin_is_ours() -> None:
    """There is nothing to compare with."""
    scope = scope_with(origin=OWN)
    scope["headers"] = [header for header in scope["headers"] if header[0] != b"host"]
    assert not CSRFPolicy().allows(scope)
    scope["headers"] += [(b"host", b"app.example")] * 2
    assert not CSRFPolicy().allows(scope)


@pytest.mark.security("CS-02")
def test_an_external_origin_replaces_the_host() -> None:
    """Where a proxy changes Host, only what is configured counts."""
    policy = CSRFPolicy(external_origin="https://www.example.com")
    assert policy.problems() == []
    assert policy.allows(scope_with(origin="https://www.example.com"))
    assert policy.allows(scope_with(origin="https://WWW.example.com"))
    assert not policy.allows(scope_with(origin=OWN))
    assert not policy.allows(scope_with(origin="http://www.example.com"))


@pytest.mark.security("CS-03")
def test_neither_header() -> None:
    """Allowed by default; with strict=True only with the custom header, which a page of another site can't add unasked."""
    assert CSRFPolicy().allows(scope_with())
    strict = CSRFPolicy(strict=True)
    assert not strict.allows(scope_with())
    assert strict.allows(scope_with(headers=[("x-requested-with", "x")]))
    named = CSRFPolicy(strict=True, custom_header="X-App")
    assert named.allows(scope_with(headers=[("x-app", "")]))
    assert not named.allows(scope_with(headers=[("x-requested-with", "x")]))
    assert not strict.allows(scope_with(site="cross-site", headers=[("x-requested-with", "x")]))


TRUSTED = [
    # trusted, Origin, passes
    ("https://a.example", "https://a.example", True),
    ("https://a.example", "https://A.EXAMPLE", True),
    ("https://a.example", "http://a.example", False),
    ("http://a.example", "https://a.example", False),
    ("https://a.example", "https://a.example:8443", False),
    ("https://a.example:8443", "https://a.example:8443", True),
    ("https://a.example:8443", "https://a.example", False),
    ("https://a.example", "https://b.a.example", False),
    ("https://a.example", "https://a.example.b", False),
    ("https://a.example", "null", False),
    ("https://a.example", "https://a.example/", False),
    ("https://a.example", "https://a.example evil", False),
]


@pytest.mark.security("CS-04")
@pytest.mark.parametrize(("trusted", "origin", "passes"), TRUSTED)
def test_trusted_origins_are_compared_whole(trusted: str, origin: str, passes: bool) -> None:
    """Scheme, host and port; with and without Fetch Metadata."""
    policy = CSRFPolicy(trusted_origins=[trusted])
    assert policy.problems() == []
    assert policy.allows(scope_with(origin=origin)) is passes
    assert policy.allows(scope_with(site="cross-site", origin=origin)) is passes


NO_ORIGINS = [
    "",
    "null",
    "*",
    "https://",
    "a.example",
    "//a.example",
    "https://a.example/",
    "https://a.example/path",
    "https://a.example?q",
    "https://a.example?",
    "https://a.example#f",
    "https://a.example#",
    "https://user@a.example",
    "ftp://a.example",
    "https://A.example",
    "https://a.example:port",
    "https://a.example,https://b.example/",
    "https://*.a.example",
    "https://a.example:443",
    "http://a.example:80",
    "https://a.example:",
    "https://a.example:08443",
    "https://ünï.example",
    "https://a b.example",
    "https://a..example",
    "https://.a.example",
    "https://a%2eexample",
    "https://127.1",
    "https://10.0.0.256",
    "https://[::g]",
    "https:///a.example",
]


@pytest.mark.security("CS-04")
@pytest.mark.parametrize(
    "origin",
    [
        "https://a.example",
        "http://localhost:8000",
        "https://xn--n-xga9e.example:8443",
        "http://a.example:443",
        "https://a.example.",
        "https://a_b.example",
        "https://10.0.0.1",
        "http://[::1]:8000",
    ],
)
def test_what_browsers_send_can_be_trusted(origin: str) -> None:
    """A host in ASCII, and a port where it is not the scheme's own."""
    assert CSRFPolicy(trusted_origins=origin, external_origin=origin).problems() == []


@pytest.mark.security("CS-04")
@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_what_is_no_origin_can_not_be_trusted(origin: str) -> None:
    """A start-up error, for each place where an origin is given."""
    assert [problem.field for problem in CSRFPolicy(trusted_origins=[OWN, origin]).problems()] == ["csrf.trusted_origins[1]"]
    assert [problem.field for problem in CSRFPolicy(external_origin=origin).problems()] == ["csrf.external_origin"]


EXEMPT = [
    # path asked for, exempt
    ("/hooks", True),
    ("/hooks/stripe", True),
    ("/hooks/", True),
    ("/hooks/a/b", True),
    ("/hooksx", False),
    ("/hook", False),
    ("/", False),
    ("/a/hooks", False),
    ("/HOOKS", False),
    ("//hooks", False),
    ("/hooks//a", False),
    ("/hooks/../admin", False),
    ("/hooks/..", False),
    ("/hooks/.", False),
    ("/hooks/./a", False),
    ("/hooks/%2e%2e/admin", False),
    ("/hooks%2fa", False),
    ("/hooks;a=b", False),
    ("/hooks/a;b", False),
    ("/hooks?a", False),
    ("/hooks/a?b", False),
    ("/hooks/a#b", False),
    ("/hooks\\..\\admin", False),
    ("/hooks/a\\b", False),
    ("/hooks/a b", False),
    ("/hooks/a\x00", False),
    ("/hooks\n", False),
    ("/hooks/\n", False),
    ("https://app.example/hooks", False),
]


@pytest.mark.security("CS-05")
@pytest.mark.parametrize(("path", "exempt"), EXEMPT, ids=[ascii(path) for path, _ in EXEMPT])
def test_an_exemption_means_one_path_and_what_is_below_it(path: str, exempt: bool) -> None:
    """And no path that a router or proxy may read in another way."""
    policy = CSRFPolicy(exempt_paths=["/hooks"])
    assert policy.problems() == []
    assert policy.applies_to(http_scope("POST", path)) is not exempt


@pytest.mark.security("CS-05")
@given(st.text("/.%;?#\\ ahoks2e", max_size=12))
def test_no_spelling_smuggles_itself_under_an_exemption(rest: str) -> None:
    """Whatever is exempt is the path itself, or below it by plain segments."""
    path = "/hooks" + rest
    if not CSRFPolicy(exempt_paths=["/hooks"]).applies_to(http_scope("POST", path)):
        segments = path.removesuffix("/").split("/")
        assert segments[:2] == ["", "hooks"]
        assert not {"", ".", ".."} & set(segments[2:])
        assert not set(path) & set("%;?#\\ ")


@pytest.mark.security("CS-05")
def test_query_and_raw_path_exempt_nothing() -> None:
    """Only the decoded path counts."""
    policy = CSRFPolicy(exempt_paths=["/hooks"])
    scope = http_scope("POST", "/admin", query="/hooks") | {"raw_path": b"/hooks"}
    assert policy.applies_to(scope)


@pytest.mark.security("CS-05")
@pytest.mark.parametrize(
    "path", ["", "/", "hooks", "/hooks/", "/a//b", "/a/../b", "/a?b", "/a#b", "/a%2fb", "/a;b", "/*", "https://a.example/hooks"]
)
def test_what_is_no_plain_path_can_not_be_exempt(path: str) -> None:
    """A start-up error, or (a literal star) a path that means only itself."""
    policy = CSRFPolicy(exempt_paths=[path])
    if path == "/*":
        assert policy.applies_to(http_scope("POST", "/anything"))
    else:
        assert [problem.field for problem in policy.problems()] == ["csrf.exempt_paths[0]"]


@pytest.mark.security("CS-06")
def test_safe_methods() -> None:
    """GET, HEAD and OPTIONS, and no other spelling."""
    for method, applies in (
        ("GET", False),
        ("HEAD", False),
        ("OPTIONS", False),
        ("get", True),
        ("POST", True),
        ("TRACE", True),
        ("X", True),
    ):
        assert CSRFPolicy().applies_to(http_scope(method)) is applies


@pytest.mark.security("CS-08")
def test_a_handshake_is_checked_like_an_unsafe_request() -> None:
    """Although it is a GET: a script of any site may open a socket with our cookie. Its scheme is compared as that of its page."""
    policy = CSRFPolicy()
    for origin, passes in ((OWN, True), ("https://evil.example", False), ("null", False)):
        scope = websocket_scope(headers=[("origin", origin)])
        assert policy.applies_to(scope)
        assert policy.allows(scope) is passes
    assert policy.allows(websocket_scope(scheme="ws", headers=[("origin", "http://app.example")]))
    assert not CSRFPolicy(enabled=False).applies_to(websocket_scope())


@pytest.mark.security("CS-01", "CS-02")
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=20))
def test_garbage_is_judged_without_an_error(site: bytes, origin: bytes, host: bytes) -> None:
    """Any bytes in any of the headers; nothing but the one good value of Sec-Fetch-Site passes by it."""
    scope = http_scope("POST") | {"headers": [(b"sec-fetch-site", site), (b"origin", origin), (b"host", host)]}
    assert CSRFPolicy().allows(scope) is (site in (b"same-origin", b"none"))
    scope["headers"].pop(0)
    CSRFPolicy().allows(scope)
