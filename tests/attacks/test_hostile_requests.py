"""Requests that no browser sends: none of them is an error of ours, and none gets anywhere.

`TEST_EXAMPLES` says how many are tried; security row IN-09 asks for 100,000 once in a while.
"""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_session import CSRFPolicy, RateLimit
from asgi_session.ids import CredentialSigner, new_session_id
from asgi_session.stages.resolve import MAX_AUTHORIZATION
from tests.support.asgi import exchange, http_scope
from tests.support.examples import examples
from tests.support.site import COOKIE, SECRET, Browser, sessions
from tests.tokens.parts import SigningKey, verifier_of

KEY = SigningKey("ES256")
EXAMPLES = examples(300)

HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"", b"\x00", b"\xff", b"\r\n", b"=", b";", b'"', b"\\", b"%00", b"null", b"\xe2\x80\xa8", b"\x1b[2J"]),
)
COOKIES = st.lists(
    st.one_of(HOSTILE, st.builds(lambda left, right: left + COOKIE.encode() + b"=" + right, HOSTILE, HOSTILE)), max_size=5
).map(b";".join)
OUR_NAMES = [
    b"cookie",
    b"authorization",
    b"host",
    b"origin",
    b"sec-fetch-site",
    b"user-agent",
    b"x-forwarded-for",
    b"forwarded",
    b"accept-language",
    b"accept-encoding",
    b"x-requested-with",
]
HEADERS = st.lists(st.tuples(st.sampled_from(OUR_NAMES) | HOSTILE, COOKIES | HOSTILE), max_size=8)
SCOPES = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "HEAD", "get", "", "\r\n"]) | st.text(max_size=10),
        "path": st.sampled_from(["/read", "/count", "/login", "/logout", "/who"])
        | st.text(max_size=20).map(lambda path: "/" + path),
        "headers": HEADERS,
        "query_string": HOSTILE,
    },
    optional={
        "scheme": st.sampled_from(["http", "https", "", "ftp"]),
        "client": st.none() | st.tuples(st.text(max_size=40), st.integers(0, 65535)) | st.just(["10.0.0.1", 1]),
        "server": st.none() | st.tuples(st.text(max_size=10), st.none() | st.integers(0, 65535)),
        "root_path": st.text(max_size=10),
        "raw_path": HOSTILE,
        "http_version": st.sampled_from(["1.0", "1.1", "2", "3", ""]),
        "extensions": st.none() | st.just({}),
    },
)


def site() -> Any:
    """A site with everything that looks at a request."""
    return sessions(
        bearer=verifier_of(KEY),
        trusted_proxies=["10.0.0.0/8"],
        rate_limits=[RateLimit("1000000000/second"), RateLimit("1000000000/second", key="session", paths=["/read", "/a/*"])],
        failed_credentials=None,
        csrf=CSRFPolicy(trusted_origins=["https://other.example"], exempt_paths=["/hooks"], strict=True),
    )


@pytest.mark.security("IN-09", "IN-02", "IN-08")
@EXAMPLES
@given(SCOPES)
@example({"method": "GET", "path": "/who", "headers": [(b"cookie", b"\xff" * 100)], "query_string": b""})
@example({"method": "GET", "path": "/who", "headers": [(b"cookie", b"")] * 200, "query_string": b""})
async def test_any_scope_is_answered(parts: dict[str, Any]) -> None:
    """With a page or with what is wrong with the request: never an exception, never a 5xx, and never a user."""
    app = site()
    response = await exchange(app, {"type": "http", "asgi": {"version": "3.0"}, **parts})
    assert 200 <= response.status < 500
    assert len(response.all("set-cookie")) <= 1
    if response.status == 200 and parts["path"] == "/who":
        assert response.json()["user"] is None
    await app.shutdown()


TOKEN = KEY.sign()
CREDENTIAL = CredentialSigner([SECRET]).sign(new_session_id("123"))
"""Signed by us, of a session that nobody has."""
TOKEN68 = "ABYZabyz0189-._~+/="


@st.composite
def edited(draw: st.DrawFn, good: str) -> bytes:
    """Something good with a few edits: characters, cuts, insertions, doublings."""
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(good)))
        to = min(len(good), at + draw(st.integers(0, 60)))
        good = good[:at] + draw(st.text(TOKEN68, max_size=4) | st.text(max_size=2) | st.just(good)) + good[to:]
    return good.encode("utf-8", "surrogatepass")


BEARERS = st.one_of(
    edited(TOKEN),
    edited(CREDENTIAL),
    st.text(TOKEN68, max_size=100).map(str.encode),
    st.lists(st.text(TOKEN68[:16], max_size=30), min_size=3, max_size=5).map(lambda parts: ".".join(parts).encode()),
    st.builds(
        lambda piece, times: piece * times, st.sampled_from([b"A", b".", b"=", b"A.", b" "]), st.integers(0, MAX_AUTHORIZATION + 2)
    ),
    HOSTILE,
)
SCHEMES = st.sampled_from(
    [b"Bearer "] * 12 + [b"bearer ", b"BEARER   ", b"Bearer\t", b"Bearer", b"\xa0Bearer ", b"Basic ", b"DPoP ", b""]
)
LINES = st.builds(lambda scheme, bearer: scheme + bearer, SCHEMES, BEARERS)
AUTHORIZATIONS = st.builds(lambda line, more, copies: [line] + [more] * copies, LINES, LINES, st.sampled_from([0] * 7 + [1]))


@pytest.mark.security("IN-08", "IN-09", "JW-04")
@EXAMPLES
@given(AUTHORIZATIONS, st.none() | COOKIES)
@example([b"Bearer " + TOKEN.encode()], None)
@example([b"Bearer " + b"." * 10_000], None)
@example([b"Bearer " + b"A" * 46 + b"." + b"A" * 43], None)
@example([b"\xff\xfe"], None)
async def test_any_authorization_is_answered(lines: list[bytes], cookie: bytes | None) -> None:
    """With the page, 400 or 401; with a user only for the one good token, whole and alone, and never with a cookie for a bearer."""
    app = site()
    scope = http_scope(path="/who")
    scope["headers"] += [(b"authorization", line) for line in lines] + ([(b"cookie", cookie)] if cookie is not None else [])
    response = await exchange(app, scope)
    scheme, _, credential = lines[0].partition(b" ")
    is_good = len(lines) == 1 and scheme.lower() == b"bearer" and credential.lstrip(b" ") == TOKEN.encode()
    assert response.status in ((200,) if is_good else (200, 400, 401))
    if response.status == 200:
        assert response.json()["user"] == ("user-1" if is_good else None)
    if response.status != 200 or is_good:
        assert response.all("set-cookie") == []
    await app.shutdown()


@pytest.mark.security("IN-02", "IN-09")
@EXAMPLES
@given(HOSTILE, HOSTILE, st.booleans())
async def test_garbage_around_a_good_cookie(before: bytes, after: bytes, several_lines: bool) -> None:
    """Either the session is found, or the visitor is anonymous: nothing in between, and nobody else."""
    app = site()
    browser = Browser(app)
    await browser.get("/login?alice")
    good = browser.cookie.encode()
    scope = http_scope(path="/who")
    if several_lines:
        scope["headers"] += [(b"cookie", before), (b"cookie", good), (b"cookie", after)]
    else:
        scope["headers"].append((b"cookie", before + good + after))
    response = await exchange(app, scope)
    assert response.status == 200
    found = response.json()["user"]
    assert found in ("alice", None)
    if several_lines and COOKIE.encode() not in before + after:
        assert found == "alice"
    await app.shutdown()


@pytest.mark.security("IN-02")
@pytest.mark.parametrize(
    "smuggled",
    [
        "=__Host-session={v}",
        "__host-session={v}",
        "__HOST-SESSION={v}",
        "\xa0__Host-session={v}",
        "\x85__Host-session={v}",
        "\x0b__Host-session={v}",
        '"__Host-session"={v}',
        '__Host-session="{v}"',
        "$Version=1,__Host-session={v}",
        "__Host-session ={v}",
        "__Host-session[]={v}",
        "__Host%2Dsession={v}",
        "session={v}",
        "__Host-session={v}\x00",
        "__Host-session={v}\xa0",
        "__Host-session=\xa0{v}",
        "__Host-session={v},__Host-other=1",
    ],
    ids=ascii,
)
async def test_a_cookie_by_another_spelling_is_another_cookie(smuggled: str) -> None:
    """What a subdomain or a proxy may be able to plant under the prefix of ours is not taken for it."""
    app = site()
    browser = Browser(app)
    await browser.get("/login?alice")
    response = await browser.request("GET", "/who", cookie=smuggled.format(v=browser.credential))
    assert response.json()["user"] is None
    assert response.json()["credential"] == "anonymous"
    await app.shutdown()
