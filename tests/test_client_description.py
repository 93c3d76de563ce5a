"""What a session keeps of its client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.client_description import agent_family, coarse_network, metadata

NETWORKS = [
    ("198.51.100.7", "198.51.100.0/24"),
    ("0.0.0.0", "0.0.0.0/24"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
    ("::1", "::/48"),
    ("testclient", "unknown"),
    ("", "unknown"),
]
AGENTS = [
    (b"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge"),
    (b"Mozilla/5.0 AppleWebKit/537.36 Chrome/140.0 Safari/537.36 OPR/120.0", "Opera"),
    (b"Mozilla/5.0 AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome"),
    (b"Mozilla/5.0 (Macintosh) AppleWebKit/605.1 Version/18.0 Safari/605.1", "Safari"),
    (b"Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0", "Firefox"),
    (b"curl/8.5.0", "curl"),
    (b"python-httpx/0.28", "Python"),
    (b"okhttp/4.12", "Android app"),
    (b"MyApp/1 CFNetwork/1 Darwin/1", "iOS app"),
    (b"", "other"),
]


@pytest.mark.security("PR-01")
@pytest.mark.parametrize(("address", "network"), NETWORKS)
def test_addresses_become_networks(address: str, network: str) -> None:
    """The last 8 bits of IPv4 and the last 80 of IPv6 are gone."""
    assert coarse_network(address) == network


@pytest.mark.security("PR-01")
@pytest.mark.parametrize(("agent", "family"), AGENTS)
def test_user_agents_become_families(agent: bytes, family: str) -> None:
    """A name that a person recognises, and a hash that tells versions apart."""
    named, _, digest = agent_family(agent).rpartition(" ")
    assert named == family
    assert len(digest) == 8


@pytest.mark.security("PR-01", "LG-03")
@given(st.binary(max_size=300), st.one_of(st.none(), st.text(max_size=60)))
def test_nothing_of_the_client_is_kept_as_it_came(agent: bytes, address: str | None) -> None:
    """Whatever it sends, what is kept is short, printable and one of few shapes."""
    kept = metadata(([(b"host", b"x"), (b"user-agent", agent)], address))
    assert set(kept) == {"user_agent"} | ({"network"} if address is not None else set())
    for value in kept.values():
        assert len(value) < 60
        assert value.isascii()
        assert value.isprintable()


def test_what_is_not_known_is_left_out() -> None:
    """No address through a Unix socket, no agent in many a script."""
    assert dict(metadata(([], None))) == {}
