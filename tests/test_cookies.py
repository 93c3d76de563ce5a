"""The cookie: how it is read, how it is written, and what can't be configured."""

import base64
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.cookies import AMBIGUOUS, MAX_COOKIE_HEADER, find_cookie, is_local
from asgi_session.lifetimes import LONGEST
from tests.support.asgi import exchange, http_scope
from tests.support.configuration import fields_of_problems, problems_with
from tests.support.jar import CookieJar
from tests.support.site import COOKIE, Browser, sessions, visiting

# -- reading ------------------------------------------------------------------------------------------------------------------

READ = [
    # header, value of the cookie "sid"
    ("sid=v", "v"),
    ("sid=v;", "v"),
    (";sid=v", "v"),
    (";;; sid=v ;;;", "v"),
    ("a=1; sid=v; b=2", "v"),
    ("a=1;sid=v;b=2", "v"),
    ("a=1;\tsid=\tv\t;b=2", "v"),
    ("a=1;   sid=v   ; b=2", "v"),
    ("sid=", ""),
    ("sid= ", ""),
    ("sid=v=w", "v=w"),
    ("sid==v", "=v"),
    ("sid=a b", "a b"),
    ('sid="v"', '"v"'),
    ("sid=%76", "%76"),
    ("sid=v,w", "v,w"),
    ("a; sid=v", "v"),
    ("=a; sid=v", "v"),
    ("$Version=1; sid=v; $Path=/", "v"),
    ("a=sid=x; sid=v", "v"),
    ("sid=sid=v", "sid=v"),
    ("xsid=x; sid=v", "v"),
    ("sidx=x; sid=v", "v"),
    ("", None),
    ("sid", None),
    ("sid;", None),
    ("SID=v", None),
    ("Sid=v", None),
    ("sid =v", None),
    ("=sid=v", None),
    ("a=1, sid=v", None),
    ("$sid=v", None),
    ('"sid"=v', None),
    ('a="; sid=v"', 'v"'),
    ("sid%3Dv", None),
    ("s id=v", None),
    ("xsid=v", None),
    ("sidx=v", None),
    ("a=sid=v", None),
    ("\xa0sid=v", None),
    ("\x85sid=v", None),
    ("\x0bsid=v", None),
    ("\x0csid=v", None),
    ("\x00sid=v", None),
    ("\rsid=v", None),
    ("\nsid=v", None),
    ("\x1csid=v", None),
]


@pytest.mark.security("IN-01", "IN-02")
@pytest.mark.parametrize(("header", "value"), READ, ids=[ascii(header) for header, _ in READ])
def test_a_cookie_header_is_read_as_browsers_write_it(header: str, value: str | None) -> None:
    """Split at semicolons, trim space and tab, compare the name byte by byte, and unquote nothing."""
    found = find_cookie(header.encode("latin-1"), b"sid")
    assert found == (value.encode("latin-1") if value is not None else None)


@pytest.mark.security("IN-02")
@pytest.mark.parametrize("space", ["\u00a0", "\u0085", "\u2000", "\u2028", "\u3000", "\ufeff", "\x1f"])
def test_no_white_space_but_space_and_tab(space: str) -> None:
    """What `str.strip` would take off makes another name, in UTF-8 and in Latin-1."""
    for encoding in ("utf-8", "latin-1"):
        try:
            header = f"a=1; {space}{COOKIE}=v".encode(encoding)
        except UnicodeEncodeError:
            continue
        assert find_cookie(header, COOKIE.encode()) is None


@pytest.mark.security("IN-01")
@given(st.lists(st.tuples(st.text("abs id\t", max_size=4), st.text('ab"%=, ', max_size=6)), max_size=6))
def test_the_reader_agrees_with_the_plain_reading(pairs: list[tuple[str, str]]) -> None:
    """The fast reader finds what the definition, written down slowly, finds."""
    header = "; ".join(f"{name}={value}" for name, value in pairs)
    parts = [part.strip(" \t").partition("=") for part in header.split(";")]
    wanted = [value.strip(" \t") for name, _, value in parts if name == "s"]
    found = find_cookie(header.encode(), b"s")
    if len(wanted) > 1:
        assert found is AMBIGUOUS
    else:
        assert found == (wanted[0].encode() if wanted else None)


@pytest.mark.security("IN-03")
async def test_two_cookies_of_our_name_are_none() -> None:
    """Their order says nothing, so the visitor is anonymous, and told so to whoever looks at the verdict."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        good = browser.cookie
        for header in (f"{good}; {COOKIE}=planted", f"{COOKIE}=planted; {good}", f"{good}; {good}"):
            seen = (await browser.request("GET", "/who", cookie=header)).json()
            assert (seen["user"], seen["credential"], seen["reason"]) == (None, "anonymous", "ambiguous")


@pytest.mark.security("IN-04")
async def test_several_lines_are_one_header() -> None:
    """HTTP/2 sends a line per cookie; two of our name are ambiguous there too."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        good = browser.cookie
        for lines, user in (
            (["a=1", good, "b=2"], "alice"),
            ([good], "alice"),
            ([good, f"{COOKIE}=x"], None),
            (["", good], "alice"),
        ):
            response = await exchange(browser.app, http_scope(path="/who", headers=[("cookie", line) for line in lines]))
            assert response.json()["user"] == user


@pytest.mark.security("IN-06")
async def test_an_oversized_header_holds_no_cookie() -> None:
    """More than 16 KiB or 100 pairs, in one line or in many: nobody looks inside."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        good = browser.cookie
        fits = [[f"a={'x' * (MAX_COOKIE_HEADER - len(good) - 4)}", good], ["; ".join(["a=1"] * 99), good], ["a=1"] * 99 + [good]]
        too_much = [
            [f"a={'x' * MAX_COOKIE_HEADER}", good],
            ["; ".join(["a=1"] * 100), good],
            ["a=1"] * 100 + [good],
            [good] + ["a=1"] * 100,
        ]
        for lines, user in [*((lines, "alice") for lines in fits), *((lines, None) for lines in too_much)]:
            response = await exchange(browser.app, http_scope(path="/who", headers=[("cookie", line) for line in lines]))
            assert response.json()["user"] == user


class CountingBytes(bytes):
    """A header that counts how many of its bytes are looked at."""

    looked_at = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:  # type: ignore[override]
        found = super().find(sub, start)
        CountingBytes.looked_at += (found if found >= 0 else len(self)) - start
        return found

    def rfind(self, sub: Any, start: Any = 0, end: Any = None) -> int:  # type: ignore[override]
        found = super().rfind(sub, start, end)
        CountingBytes.looked_at += end - (found if found >= 0 else start)
        return found


@pytest.mark.security("IN-06")
@pytest.mark.parametrize("filling", [b"sid=", b"sid=;", b" sid=", b"xsid=", b"xsid=;", b";", b"; ", b"=", b"sid", b" "])
def test_reading_takes_linear_time(filling: bytes) -> None:
    """Whatever it is full of, a header as long as is allowed is walked through a few times and not once per name in it."""
    CountingBytes.looked_at = 0
    header = CountingBytes((b"x" + filling * MAX_COOKIE_HEADER)[:MAX_COOKIE_HEADER])
    find_cookie(header, b"sid")
    assert CountingBytes.looked_at <= 4 * len(header)


# -- writing ------------------------------------------------------------------------------------------------------------------


def attributes(line: str) -> dict[str, str]:
    """The attributes of a Set-Cookie line, names in lower case."""
    pairs = [part.strip().partition("=") for part in line.split(";")[1:]]
    return {name.lower(): value for name, _, value in pairs}


async def set_and_deleted(scheme: str = "https", host: str = "app.example", **options: Any) -> tuple[str, str]:
    """The Set-Cookie lines of a login and of the logout after it."""
    app = sessions(**options)
    path = options.get("path", "/")
    login = await exchange(app, http_scope(path="/login", scheme=scheme, host=host))
    (given,) = login.all("set-cookie")
    sent = [("cookie", given.partition(";")[0])]
    logout = await exchange(app, http_scope("POST", path="/logout", scheme=scheme, host=host, headers=sent))
    (taken,) = logout.all("set-cookie")
    await app.shutdown()
    jar, url = CookieJar(), f"{scheme}://{host}{path}"
    assert jar.take(given, url), given
    assert len(jar) == 1
    assert jar.take(taken, url), taken
    assert len(jar) == 0, f"{taken} does not delete {given}"
    return given, taken


@pytest.mark.security("ID-02")
async def test_the_default_cookie() -> None:
    """`__Host-`, Secure, HttpOnly, Path=/, no Domain and an explicit SameSite."""
    given, taken = await set_and_deleted()
    assert given.startswith("__Host-session=")
    known = attributes(given)
    assert {name: known[name] for name in ("secure", "httponly", "path", "samesite")} == {
        "secure": "",
        "httponly": "",
        "path": "/",
        "samesite": "lax",
    }
    assert "domain" not in known
    assert known["max-age"] == str(14 * 24 * 3600)
    assert attributes(taken).keys() - {"expires"} == known.keys() - {"max-age"}


NAMES = [None, "sid", "__Secure-sid", "__Host-sid", "__Http-sid", "__Host-Http-sid"]
PLACES = [("/", ""), ("/app", ""), ("/", "app.{top}"), ("/app", ".app.{top}"), ("/", "{top}")]
"""Path and domain below each of the sites."""
SITES = [("https", "app.example"), ("http", "app.localhost"), ("http", "localhost")]
FLAGS = list(itertools.product(["lax", "strict", "none"], [None, True, False], [False, True]))


@pytest.mark.security("ID-02", "ID-03", "ID-07")
@pytest.mark.parametrize(("scheme", "host"), SITES)
@pytest.mark.parametrize("name", NAMES)
async def test_every_configuration_is_refused_or_works_in_a_browser(name: str | None, scheme: str, host: str) -> None:
    """For each combination: either a start-up error, or a cookie that a browser keeps, and a deletion that deletes it."""
    worked = 0
    places = PLACES if "." in host else PLACES[:2]
    for (path, below), (same_site, https_only, partitioned) in itertools.product(places, FLAGS):
        domain = below.format(top=host.rpartition(".")[2]) or None
        options = {
            "session_cookie": name, "path": path, "domain": domain, "same_site": same_site,
            "https_only": https_only, "partitioned": partitioned,
        }  # fmt: skip
        if await problems_with(**options):
            continue
        worked += 1
        given, _ = await set_and_deleted(scheme, host, **options)
        known = attributes(given)
        assert known["samesite"] == same_site
        demanded = https_only or same_site == "none" or partitioned or given.startswith("__")
        assert ("secure" in known) == bool(demanded or (https_only is None and scheme == "https"))
        assert ("partitioned" in known) == partitioned
        assert known.get("domain") == domain
        assert "httponly" in known
    assert worked >= 12


@pytest.mark.security("ID-07")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "testserver", "app.localhost"])
async def test_the_plain_cookie_of_a_developer_is_deleted_too(host: str) -> None:
    """Over http to a loopback or test host."""
    given, taken = await set_and_deleted("http", host)
    assert given.startswith("session=")
    assert "secure" not in attributes(given).keys() | attributes(taken).keys()


@pytest.mark.security("ID-02", "ID-03")
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"session_cookie": "__Host-sid", "path": "/app"}, "session_cookie"),
        ({"session_cookie": "__host-sid", "path": "/app"}, "session_cookie"),
        ({"session_cookie": "__Host-sid", "domain": "example.com"}, "session_cookie"),
        ({"session_cookie": "__Host-Http-sid", "domain": "example.com"}, "session_cookie"),
        ({"session_cookie": "__Host-sid", "https_only": False}, "https_only"),
        ({"session_cookie": "__Secure-sid", "https_only": False}, "https_only"),
        ({"session_cookie": "__Http-sid", "https_only": False}, "https_only"),
        ({"same_site": "none", "https_only": False}, "https_only"),
        ({"partitioned": True, "https_only": False}, "https_only"),
        ({"same_site": "Lax"}, "same_site"),
        ({"path": "app"}, "path"),
        ({"path": ""}, "path"),
        ({"path": "/a;b"}, "path"),
        ({"path": "/" + "a" * 1024}, "path"),
        ({"domain": "example.com\r\nx: y"}, "domain"),
        ({"domain": "exämple.com"}, "domain"),
        ({"session_cookie": ""}, "session_cookie"),
        ({"session_cookie": "s id"}, "session_cookie"),
        ({"session_cookie": "sid="}, "session_cookie"),
    ],
)
async def test_what_browsers_would_refuse_is_refused_at_the_start(options: dict[str, Any], field: str) -> None:
    """Each mistake names its argument and says what to do."""
    found = await problems_with(**options)
    assert field in {problem.field for problem in found}
    assert all(problem.fix.endswith(".") for problem in found)


@pytest.mark.security("ID-08")
@given(character=st.characters(max_codepoint=0xFF), where=st.sampled_from(["session_cookie", "path", "domain"]))
async def test_no_character_breaks_out_of_the_header(character: str, where: str) -> None:
    """Over 0x00 to 0xFF in a name, path or domain: refused at the start, or sent as one clean line."""
    text = {"session_cookie": f"s{character}d", "path": f"/a{character}", "domain": f"a{character}example"}[where]
    if await fields_of_problems(**{where: text}):
        return
    app = sessions(**{where: text})
    response = await exchange(app, http_scope(path="/login"))
    (line,) = response.all("set-cookie")
    await app.shutdown()
    assert line.isascii()
    assert line.isprintable()
    assert attributes(line).get(where, text) == text
    assert len(line.split(";")) == 6 + (where == "domain")


@pytest.mark.security("ID-05")
async def test_name_and_value_fit_into_4096_bytes() -> None:
    """The longest name that is accepted still leaves a pair that browsers keep; one more is a start-up error."""
    longest = 4096
    while await fields_of_problems(session_cookie="n" * longest):
        longest -= 1
    given, _ = await set_and_deleted(session_cookie="n" * longest)
    assert 3900 < len(given.partition(";")[0]) <= 4096
    assert await fields_of_problems(session_cookie="n" * (longest + 1)) == {"session_cookie"}


@pytest.mark.security("ID-05")
@pytest.mark.parametrize(("length", "accepted"), [(1023, True), (1024, True), (1025, False)])
async def test_an_attribute_fits_into_1024_bytes(length: int, accepted: bool) -> None:
    """Browsers drop longer ones without a word."""
    assert (await fields_of_problems(path="/" + "a" * (length - 1)) == set()) is accepted


@pytest.mark.security("ID-09")
async def test_the_cookie_says_nothing_about_its_user() -> None:
    """Neither the user nor the data can be decoded from it, and it does not change with them."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice@example.com")
        await browser.get("/count")
        for part in browser.credential.split("."):
            raw = base64.urlsafe_b64decode(part[-43:] + "=")
            assert b"alice" not in raw
            assert b"{" not in raw[:1]
        assert "alice" not in browser.cookie
        assert len(browser.credential) == 46 + 1 + 43


async def test_the_longest_cookie_life_is_what_browsers_allow() -> None:
    """400 days (rfc6265bis §5.5)."""
    assert LONGEST == 34_560_000
    given, _ = await set_and_deleted(max_age=10**9, idle_timeout=LONGEST, absolute_timeout=LONGEST)
    assert int(attributes(given)["max-age"]) <= LONGEST


# -- local or not ---------------------------------------------------------------------------------------------------------------

LOCAL = ["localhost", "LOCALHOST:80", "a.localhost", "127.0.0.1", "127.8.9.10:1", "[::1]", "[::1]:80", "test", "testserver"]
FAR = [
    "",
    "example.com",
    "localhost.example.com",
    "a" * 60_000 + ".localhost",  # no name is that long, and a cache would keep it
    "127.0.0.1.example.com",
    "128.0.0.1",
    "10.0.0.1",
    "127.0.0.256",
    "127.1",
    "[::2]",
    "x",
]


@pytest.mark.parametrize(("host", "local"), [*((host, True) for host in LOCAL), *((host, False) for host in FAR)])
def test_which_hosts_are_a_developers_own(host: str, local: bool) -> None:
    """Loopback and test hosts, and nothing that only looks like one."""
    assert is_local({b"host": host.encode()}) is local


@pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"])
async def test_behind_a_proxy_nobody_is_local(header: str) -> None:
    """A proxy that ends TLS hands on `Host: 127.0.0.1` over plain http; the cookie stays Secure."""
    app = sessions()
    response = await exchange(app, http_scope(path="/login", scheme="http", host="127.0.0.1", headers=[(header, "x")]))
    await app.shutdown()
    assert "secure" in attributes(response.all("set-cookie")[0])


async def test_plain_http_to_a_real_host_keeps_the_cookie_safe() -> None:
    """A browser refuses the Secure cookie there: better no session than one that everybody on the wire can read."""
    async with visiting(sessions()) as browser:
        response = await Browser(browser.app, scheme="https").get("/login")
        assert "secure" in attributes(response.all("set-cookie")[0])
        plain = await exchange(browser.app, http_scope(path="/login", scheme="http"))
        (line,) = plain.all("set-cookie")
        assert not CookieJar().take(line, "http://app.example/")
