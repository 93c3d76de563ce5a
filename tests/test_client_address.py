"""The walk to the client's address: what proxies say is believed as far as they are trusted, and no further."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.client_address import Header, TrustedProxies, network_of, normal_address

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.200")
PEER = "10.0.0.1"


def scope(peer: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    """A request's scope."""
    return {
        "type": "http",
        "client": None if peer is None else (peer, 4711),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def forwarded_for(*values: str) -> list[tuple[str, str]]:
    """X-Forwarded-For, one line each."""
    return [("x-forwarded-for", value) for value in values]


def forwarded(*values: str) -> list[tuple[str, str]]:
    """Forwarded, one line each."""
    return [("forwarded", value) for value in values]


CORPUS: list[tuple[str, str | None, list[tuple[str, str]], str | None]] = [
    ("no header", PEER, [], PEER),
    ("the client behind one proxy", PEER, forwarded_for("203.0.113.7"), "203.0.113.7"),
    ("the client behind two", PEER, forwarded_for("203.0.113.7, 10.2.3.4"), "203.0.113.7"),
    ("what the client wrote is not read", PEER, forwarded_for("1.1.1.1, 203.0.113.7"), "203.0.113.7"),
    (
        "a proxy's address that the client wrote helps nothing",
        PEER,
        forwarded_for("10.9.9.9, 203.0.113.7, 10.2.3.4"),
        "203.0.113.7",
    ),
    ("lines are joined in their order", PEER, forwarded_for("1.1.1.1", "203.0.113.7", "10.2.3.4"), "203.0.113.7"),
    ("the last line alone is not the header", PEER, forwarded_for("203.0.113.7", "10.2.3.4"), "203.0.113.7"),
    ("an untrusted peer is the client", "203.0.113.9", forwarded_for("1.1.1.1"), "203.0.113.9"),
    ("a peer next to a trusted network", "11.0.0.1", forwarded_for("1.1.1.1"), "11.0.0.1"),
    ("a single trusted address", "192.0.2.200", forwarded_for("203.0.113.7"), "203.0.113.7"),
    ("all hops trusted: the leftmost", PEER, forwarded_for("10.7.7.7, 10.2.3.4"), "10.7.7.7"),
    ("garbage ends the walk at who wrote it", PEER, forwarded_for("1.1.1.1, garbage, 10.2.3.4"), "10.2.3.4"),
    ("garbage next to the peer", PEER, forwarded_for("1.1.1.1, garbage"), PEER),
    ("unknown", PEER, forwarded_for("unknown"), PEER),
    ("an empty entry", PEER, forwarded_for("1.1.1.1,, 10.2.3.4"), "10.2.3.4"),
    ("an empty header", PEER, forwarded_for(""), PEER),
    ("leading zeros are no address", PEER, forwarded_for("203.0.113.007"), PEER),
    ("a host name is no address", PEER, forwarded_for("localhost"), PEER),
    ("a port", PEER, forwarded_for("203.0.113.7:5000"), "203.0.113.7"),
    ("IPv6", PEER, forwarded_for("2001:DB8:0::1"), "2001:db8::1"),
    ("IPv6 in brackets with port", PEER, forwarded_for("[2001:db8::1]:5000"), "2001:db8::1"),
    ("IPv4 in brackets is no address", PEER, forwarded_for("[203.0.113.7]"), PEER),
    ("IPv4 inside IPv6", PEER, forwarded_for("::ffff:203.0.113.7"), "203.0.113.7"),
    ("a trusted proxy's address inside IPv6", "::ffff:10.0.0.1", forwarded_for("203.0.113.7"), "203.0.113.7"),
    ("an IPv6 proxy", "2001:db8:ffff::5", forwarded_for("203.0.113.7"), "203.0.113.7"),
    ("a zone", "fe80::1%eth0", [], "fe80::1"),
    ("X-Real-IP is ignored", PEER, [("x-real-ip", "1.1.1.1")], PEER),
    ("Forwarded", PEER, forwarded("for=203.0.113.7;proto=https"), "203.0.113.7"),
    (
        "Forwarded, several hops and lines",
        PEER,
        forwarded("for=1.1.1.1", "For=203.0.113.7, for=10.2.3.4;by=10.0.0.1"),
        "203.0.113.7",
    ),
    ("Forwarded, quoted IPv6 with port", PEER, forwarded('for="[2001:db8::17]:4711"'), "2001:db8::17"),
    ("Forwarded, IPv6 has to be quoted", PEER, forwarded("for=[2001:db8::17]"), PEER),
    ("Forwarded, unknown", PEER, forwarded("for=unknown"), PEER),
    ("Forwarded, hidden", PEER, forwarded("for=1.1.1.1, for=_secret"), PEER),
    ("Forwarded without for", PEER, forwarded("for=1.1.1.1, proto=https"), PEER),
    ("Forwarded with two for", PEER, forwarded("for=1.1.1.1;for=2.2.2.2"), PEER),
    ("Forwarded, a quote left open by the client", PEER, forwarded('for="', "for=203.0.113.7"), "203.0.113.7"),
    ("Forwarded, a host that pretends to be an element", PEER, forwarded('for=203.0.113.7;host="a, for=6.6.6.6"'), PEER),
    ("Forwarded, a host that pretends to be a pair", PEER, forwarded('proto=https;host=";for=6.6.6.6;"'), PEER),
    ("Forwarded, escaped quotes", PEER, forwarded('for=203.0.113.7;host="a\\", for=6.6.6.6;b=\\"c"'), PEER),
    ("both headers agree", PEER, [*forwarded_for("203.0.113.7"), *forwarded("for=203.0.113.7")], "203.0.113.7"),
    ("both headers differ: nobody knows", PEER, [*forwarded_for("203.0.113.7"), *forwarded("for=6.6.6.6")], None),
    ("one header is no address: nobody knows", PEER, [*forwarded_for("203.0.113.7"), *forwarded("for=_hidden")], None),
    ("no address", None, forwarded_for("203.0.113.7"), None),
    ("an address that is none", "testclient", forwarded_for("203.0.113.7"), None),
]


@pytest.mark.parametrize(("peer", "headers", "client"), [row[1:] for row in CORPUS], ids=[row[0] for row in CORPUS])
@pytest.mark.security("RL-08", "RL-10")
def test_rl08_walk(peer: str | None, headers: list[tuple[str, str]], client: str | None) -> None:
    """Each connection and its headers lead to the one address that is known of the client."""
    assert TrustedProxies(PROXIES).client_address(scope(peer, *headers)) == client


@pytest.mark.security("RL-08")
def test_rl08_no_trusted_proxies_no_headers() -> None:
    """Without trusted proxies the peer is the client, whatever the headers say."""
    request = scope("127.0.0.1", *forwarded_for("1.1.1.1"), *forwarded("for=1.1.1.1"))
    assert TrustedProxies().client_address(request) == "127.0.0.1"


@pytest.mark.parametrize(("header", "client"), [("x-forwarded-for", "203.0.113.7"), ("forwarded", "198.51.100.9"), (None, None)])
def test_chosen_header_is_the_only_one(header: Header | None, client: str | None) -> None:
    """Where the operator names the header that the proxies write, the other one is not read."""
    request = scope(PEER, *forwarded_for("203.0.113.7"), *forwarded("for=198.51.100.9"))
    assert TrustedProxies(PROXIES, header=header).client_address(request) == client


@pytest.mark.parametrize("client", [None, ("", 0)])
@pytest.mark.security("RL-10")
def test_rl10_unix_socket(client: tuple[str, int] | None) -> None:
    """A Unix socket has no address, which is not 127.0.0.1; where it is trusted, its proxy's word counts."""
    request = {**scope(None, *forwarded_for("203.0.113.7")), "client": client}
    assert TrustedProxies(["127.0.0.1"]).client_address(request) is None
    assert TrustedProxies("unix").client_address(request) == "203.0.113.7"
    assert TrustedProxies("unix").client_address({"type": "websocket"}) is None


def test_header_names_in_any_case() -> None:
    """Servers should send names in lower case; one that does not changes nothing."""
    assert TrustedProxies(PROXIES).client_address(scope(PEER, ("X-Forwarded-For", "203.0.113.7"))) == "203.0.113.7"


@given(st.text(alphabet='0123456789abcdef:.,[]"=;fort _\\%', max_size=60))
@pytest.mark.security("RL-08")
def test_rl08_client_text_left_of_the_proxy_never_matters(text: str) -> None:
    """Whatever a client sends before its proxy appends the real address, the real address is found."""
    proxies = TrustedProxies(PROXIES)
    assert proxies.client_address(scope(PEER, *forwarded_for(text, "203.0.113.7"))) == "203.0.113.7"
    assert proxies.client_address(scope(PEER, *forwarded_for(f"{text},203.0.113.7"))) == "203.0.113.7"
    assert proxies.client_address(scope(PEER, *forwarded(f"{text},for=203.0.113.7"))) == "203.0.113.7"


@given(st.text(max_size=60))
def test_any_header_text_gives_an_address(text: str) -> None:
    """No header text raises; the result is an address in its normal spelling."""
    value = text.encode("utf-8", "surrogatepass")
    request = {**scope(PEER), "headers": [(b"x-forwarded-for", value), (b"forwarded", value)]}
    client = TrustedProxies(PROXIES).client_address(request)
    assert client is not None
    assert TrustedProxies().client_address(scope(client)) == client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
    ],
)
@pytest.mark.security("RL-10")
def test_rl10_an_ipv6_client_is_its_64(address: str, network: str) -> None:
    """All addresses of one /64 are one client."""
    assert network_of(address) == network


@pytest.mark.parametrize("proxies", ["*", "0.0.0.0/0", "::/0", "0.0.0.0/1", "2000::/3", "::ffff:0:0/96"])
@pytest.mark.security("RL-09")
def test_rl09_trusting_everyone_is_a_problem(proxies: str) -> None:
    """Networks so broad that any client is a proxy are refused, with what to write instead."""
    [problem] = TrustedProxies([proxies]).problems()
    assert problem.field == "trusted_proxies"
    assert "trusts everyone" in problem.message


@pytest.mark.parametrize("proxy", ["10.0.0.0/33", "proxy.example", "10.0.0.1/8", ""])
def test_what_is_no_network_is_a_problem(proxy: str) -> None:
    """A mistyped network is reported, and trusts nobody."""
    proxies = TrustedProxies([proxy, "10.1.0.0/16"])
    [problem] = proxies.problems()
    assert repr(proxy) in problem.message
    assert proxies.client_address(scope("10.2.0.1", *forwarded_for("1.1.1.1"))) == "10.2.0.1"


def test_usual_proxies_are_no_problem() -> None:
    """Private networks, single addresses and the Unix socket can be trusted."""
    proxies = TrustedProxies(["10.0.0.0/8", "fc00::/7", "127.0.0.1", "::1", "::ffff:10.0.0.0/104", "unix"], header="forwarded")
    assert proxies.problems() == []
    assert proxies.client_address(scope("10.3.0.1", *forwarded("for=203.0.113.7"))) == "203.0.113.7"


def test_unknown_header_is_a_problem() -> None:
    """Only the two headers that list every hop can be walked."""
    [problem] = TrustedProxies(header="x-real-ip").problems()  # type: ignore[arg-type]
    assert problem.field == "trusted_proxies.header"


@pytest.mark.security("RL-08", "RL-16")
def test_a_header_that_the_client_wrote_costs_little() -> None:
    """A proxy that appends to one header passes the other on: what is in it is neither kept nor read for long."""
    proxies = TrustedProxies(PROXIES)
    known = normal_address.cache_info().currsize
    for number in range(50):
        text = f"{number:04}{'a' * 8000}"
        assert proxies.client_address(scope(PEER, ("x-forwarded-for", text), ("forwarded", f'for="[{text}::1]"'))) == PEER
    assert normal_address.cache_info().currsize == known
    hops = ["198.51.100.7", *["10.0.0.2"] * 5000]
    assert proxies.client_address(scope(PEER, ("x-forwarded-for", ", ".join(hops)))) == "10.0.0.2"
    assert proxies.client_address(scope(PEER, ("x-forwarded-for", ", ".join(hops[:60])))) == "198.51.100.7"
