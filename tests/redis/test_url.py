"""URLs of Redis: what they mean, and what is wrong with them."""

import pytest

from asgi_session.redis.url import RedisAddress, host_and_port, parse_url

SECRET = "s3cr3t"


def test_a_plain_url() -> None:
    """Host, port and database."""
    address = parse_url("redis://example.org:6380/2")
    assert address == RedisAddress(kind="server", hosts=(("example.org", 6380),), db=2)


def test_defaults() -> None:
    """Port 6379, database 0, no credentials, no TLS."""
    assert parse_url("redis://example.org") == RedisAddress(hosts=(("example.org", 6379),))


def test_credentials_are_percent_decoded() -> None:
    """Any character can be in a name or a password."""
    address = parse_url("redis://us%40er:p%3Aa%2Fs%23s%3F@h")
    assert (address.username, address.password) == ("us@er", "p:a/s#s?")


def test_a_password_needs_no_user() -> None:
    """The user is then Redis' default user."""
    address = parse_url(f"redis://:{SECRET}@h")
    assert (address.username, address.password) == (None, SECRET)


@pytest.mark.parametrize(
    ("url", "kind", "tls"),
    [
        ("redis://h", "server", False),
        ("rediss://h", "server", True),
        ("REDISS://h", "server", True),
        ("redis+sentinel://h/s", "sentinel", False),
        ("rediss+sentinel://h/s", "sentinel", True),
        ("redis+cluster://h", "cluster", False),
        ("rediss+cluster://h", "cluster", True),
        ("unix:///run/redis.sock", "socket", False),
    ],
)
def test_schemes(url: str, kind: str, tls: bool) -> None:
    """The scheme says what is there, and whether TLS is used."""
    address = parse_url(url)
    assert (address.kind, address.tls, address.problems) == (kind, tls, ())


def test_ipv6_hosts_stand_in_brackets() -> None:
    """With and without a port, alone and in a list."""
    assert parse_url("redis://[::1]:7000/1").hosts == (("::1", 7000),)
    assert parse_url("redis+cluster://h:1,[2001:db8::2]:2,[::3]").hosts == (("h", 1), ("2001:db8::2", 2), ("::3", 6379))


def test_a_sentinel_url() -> None:
    """Hosts of the Sentinels, name of the service, database, two sets of credentials."""
    address = parse_url("redis+sentinel://u:p@h1:1,h2/mymaster/3?sentinel_username=su&sentinel_password=s%40p")
    assert address.hosts == (("h1", 1), ("h2", 26379))
    assert (address.service, address.db) == ("mymaster", 3)
    assert (address.username, address.password) == ("u", "p")
    assert (address.sentinel_username, address.sentinel_password) == ("su", "s@p")
    assert address.problems == ()


def test_a_socket_url() -> None:
    """The path is the socket's; the database is an option."""
    address = parse_url(f"unix://:{SECRET}@/run/my%20redis.sock?db=4")
    assert (address.path, address.db, address.password, address.problems) == ("/run/my redis.sock", 4, SECRET, ())


def test_options_of_tls() -> None:
    """They go to the driver under its own names, the boolean as one."""
    options = "ssl_ca_certs=/ca.pem&ssl_cert_reqs=optional&ssl_check_hostname=false"
    address = parse_url(f"rediss://h?{options}")
    assert address.tls_options == {"ssl_ca_certs": "/ca.pem", "ssl_cert_reqs": "optional", "ssl_check_hostname": False}
    assert address.problems == ()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no URL of a Redis"),
        ("localhost:6379", "no URL of a Redis"),
        ("http://h", "no URL of a Redis"),
        ("redis://", "host that can't be read"),
        ("redis://h:port", "host that can't be read"),
        ("redis://h:0", "host that can't be read"),
        ("redis://h:99999", "host that can't be read"),
        ("redis://[::1", "host that can't be read"),
        ("redis+cluster://h1,,h2", "host that can't be read"),
        ("redis://h1,h2", "several hosts"),
        ("redis://h/zero", "database that is no number"),
        ("redis://h/1/2", "database that is no number"),
        ("redis://h?db=-1", "database that is no number"),
        ("redis+cluster://h/1", "only database 0"),
        ("redis+sentinel://h", "names no service"),
        ("redis+sentinel://h//1", "names no service"),
        ("unix://", "names no socket"),
        ("unix://run/redis.sock", "a host and a socket"),
        ("redis://h?socket_timeout=1", "unknown option 'socket_timeout'"),
        ("redis://h?sentinel_password=x", "unknown option"),
        ("redis://h?ssl_ca_certs=/ca.pem", "does not use it"),
        ("rediss://h?ssl_cert_reqs=maybe", "unknown ssl_cert_reqs"),
        ("rediss://h?ssl_check_hostname=perhaps", "neither true nor false"),
        ("redis://h#x", "'#', '?' or '/'"),
    ],
)
def test_mistakes_are_problems(url: str, says: str) -> None:
    """Nothing raises; each mistake is said in words, with what to do instead."""
    problems = parse_url(url).problems
    assert any(says in problem.message for problem in problems), problems
    assert all(problem.field == "url" and problem.fix for problem in problems)


def test_all_mistakes_are_found_at_once() -> None:
    """Nobody has to fix a URL step by step."""
    assert len(parse_url("redis+cluster://h:0/7?a=1&b=2").problems) == 4


@pytest.mark.security("LG-01")
@pytest.mark.parametrize(
    "url",
    [
        f"redis://user:{SECRET}@h:0/x?y=z",
        f"redis://user:a#{SECRET}@h/0",
        f"redis://user:a?{SECRET}@h/0",
        f"redis://user:a?{SECRET}=1@h/0",
        f"redis://user:a/{SECRET}@h/0",
        f"redis+sentinel://h/s?sentinel_password={SECRET}",
        f"rediss://h?ssl_keyfile={SECRET}",
        f"{SECRET}",
    ],
)
def test_the_password_is_never_shown(url: str) -> None:
    """Not in problems, not in ``repr``, not in the place that messages name; not even where it was written wrongly."""
    address = parse_url(url)
    assert SECRET not in repr(address)
    assert SECRET not in str(address)
    assert SECRET not in " ".join(map(str, address.problems))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://u:p@h:1/0", "h:1"),
        ("redis+cluster://h:1,[::1]:2", "h:1,[::1]:2"),
        ("redis+sentinel://h:1/s", "s (h:1)"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_the_place_for_messages(url: str, place: str) -> None:
    """Says where the Redis is, and nothing more."""
    assert str(parse_url(url)) == place


def test_host_and_port() -> None:
    """IPv6 addresses get brackets."""
    assert (host_and_port("h", 1), host_and_port("::1", 1)) == ("h:1", "[::1]:1")
