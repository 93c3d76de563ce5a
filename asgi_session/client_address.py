"""Where a request comes from: the walk from the connection back through the proxies that are trusted.

``scope["client"]`` is the peer of the TCP connection, and the only address that nobody can make up. Behind proxies it is
the last proxy's. What the proxies say about the hops before them (``X-Forwarded-For``, or ``Forwarded``, RFC 7239) is
believed from right to left: each proxy appends whom it saw, so an entry is worth as much as the one to its right. The
walk ends at the first address that is no trusted proxy; that is the client. Whatever stands further left was written by
the client, and is not read (RL-08).

Rules where the standards leave a choice:

- An entry that is no address (empty, ``unknown``, ``_hidden``, a host name, a stray quote) ends the walk at the proxy that
  wrote it: then that proxy is what is known of the client.
- If a request has both headers, both walks have to end at the same address. Otherwise the peer counts as the client: one
  of the two was passed on unread, and nobody can tell which. ``header=`` settles it for good.
- ``X-Real-IP`` and the like are ignored: one value without a history can't be checked.
- If all hops are trusted, the client is the leftmost; no more than 64 are read, as the client may have written them all
  (a proxy that knows only one of the headers passes the other one on).
- An IPv4 address inside IPv6 (``::ffff:192.0.2.1``) is the IPv4 address; a zone (``%eth0``) is dropped (RL-10).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Literal

from asgi_session.arguments import shown, texts
from asgi_session.exceptions import Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Header = Literal["x-forwarded-for", "forwarded"]

UNIX = "unix"
"""As a trusted proxy: whoever connects through a Unix socket."""

_CACHED = 4096
_MOST_HOPS = 64
_LONGEST_HOP = 512  # a whole element of Forwarded, host name included
_BROADEST = {4: 8, 6: 7}
"""The shortest prefixes that still describe a network somebody owns: 10.0.0.0/8 and fc00::/7."""

_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE = re.compile(rf"\[(?P<v6>[^\[\]]+)\]{_PORT}|(?P<v4>[0-9.]+){_PORT}|(?P<bare>[^\[\]]+)")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_PAIR = re.compile(rf'({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*")')
_ELEMENT = re.compile(rf"{_PAIR.pattern}(?:\s*;\s*{_PAIR.pattern})*;?")


class TrustedProxies:
    """Finds the client's address behind the proxies of some networks, and of no others.

    The middleware's ``trusted_proxies`` may be one, or the list of networks alone.
    """

    def __init__(self, proxies: str | Iterable[str] = (), *, header: Header | None = None) -> None:
        self.proxies: tuple[str, ...] = texts(proxies)
        """Addresses, networks in CIDR notation, or ``"unix"``. Without any, the client is the connection's peer."""
        self.header = header
        """The only one that is believed; None: whichever the request has, and where both disagree nobody knows the client."""
        self._networks = [network for proxy in self.proxies if (network := _network(proxy)) is not None]
        self._trusts_unix = UNIX in self.proxies
        self._is_trusted = lru_cache(_CACHED)(self._find_trusted)

    def client_address(self, scope: Mapping[str, Any]) -> str | None:
        """The client's address in its one normal spelling; None where the connection has none, or proxies contradict each other."""
        client = scope.get("client")
        peer = normal_address(client[0]) if client else None
        if not self.proxies or not (self._trusts_unix if peer is None else self._is_trusted(peer)):
            return peer
        return self._walk(peer, scope.get("headers", ()))

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the arguments; empty when they can be used."""
        found: list[Problem] = []
        for proxy in self.proxies:
            network = _network(proxy)
            if proxy == UNIX:
                continue
            if proxy == "*" or (network is not None and network.prefixlen < _BROADEST[network.version]):
                fix = "Name the proxies' own networks; whoever is trusted can pretend to be any client."
                found.append(Problem("trusted_proxies", f"{shown(proxy)} trusts everyone.", fix))
            elif network is None:
                fix = 'Write an address, a network like "10.0.0.0/8", or "unix".'
                found.append(Problem("trusted_proxies", f"{shown(proxy)} is no network.", fix))
        if self.header not in (None, "x-forwarded-for", "forwarded"):
            fix = 'Use "x-forwarded-for" or "forwarded", or leave it out.'
            found.append(Problem("trusted_proxies.header", f"{shown(self.header)} is not understood.", fix))
        return found

    def _find_trusted(self, address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)

    def _walk(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        lines: dict[bytes, list[str]] = {name: [] for name in NAME_THE_CLIENT}
        for name, value in headers:
            if (found := lines.get(name.lower())) is not None:
                found.append(value.decode("latin-1"))
        ends = {
            self._walk_back(peer, ",".join(lines[name]).split(","), read)
            for name, read in NAME_THE_CLIENT.items()
            if lines[name] and (self.header is None or self.header == name.decode())
        }
        if not ends:
            return peer
        return ends.pop() if len(ends) == 1 else None  # never the proxy itself: a client could use up its quota

    def _walk_back(self, peer: str | None, hops: list[str], read: Callable[[str], str | None]) -> str | None:
        client = peer
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = read(hop) if len(hop) <= _LONGEST_HOP else None  # longer ones would fill the caches below
            if address is None:
                break
            client = address
            if not self._is_trusted(address):
                break
        return client


@lru_cache(_CACHED)
def normal_address(text: str) -> str | None:
    """The one spelling of an address: no zone, no IPv4 inside IPv6; None for what is no address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(_folded(address))


@lru_cache(_CACHED)
def network_of(address: str) -> str:
    """What one client can be expected to hold: an IPv4 address, or the /64 around an IPv6 address (RL-10)."""
    if ":" not in address:
        return address
    return str(IPv6Network((int(IPv6Address(address)) >> 64 << 64, 64)))


def normal_node(text: str) -> str | None:
    """The address of a hop as proxies write it: with or without port and brackets."""
    match = _NODE.fullmatch(text.strip(" \t"))
    if match is None:
        return None
    if match["v6"] is not None:
        return normal_address(match["v6"]) if ":" in match["v6"] else None
    return normal_address(match["v4"] or match["bare"])


def _forwarded_node(element: str) -> str | None:
    """The address in one element of ``Forwarded``.

    The header was split at every comma, also at one inside quotes. No address has a comma, and what is torn apart there
    has a stray quote on its right part at least, so that it is no element and ends the walk.
    """
    element = element.strip(" \t")
    if not _ELEMENT.fullmatch(element):
        return None
    nodes = [value for name, value in _PAIR.findall(element) if name.lower() == "for"]
    return normal_node(nodes[0].strip('"')) if len(nodes) == 1 else None


NAME_THE_CLIENT: Mapping[bytes, Callable[[str], str | None]] = {b"x-forwarded-for": normal_node, b"forwarded": _forwarded_node}
"""The headers in which proxies say for whom they speak, and how one hop of each is read."""


def _network(text: object) -> Network | None:
    if not isinstance(text, str):
        return None  # ip_network takes a number for an address
    try:
        network = ip_network(text)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _folded(address: Address) -> Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
