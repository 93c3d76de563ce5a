"""What a session keeps of its client: enough for a person to recognise it in a list, too little to follow somebody (PR-01)."""

import hashlib
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

Client = tuple[Sequence[tuple[bytes, bytes]], str | None]
"""Headers and address of a request, as long as nobody asks what they mean."""

# in this order: the later names also appear in the earlier ones' headers
_FAMILIES = (
    (b"Edg", "Edge"),
    (b"OPR/", "Opera"),
    (b"Firefox/", "Firefox"),
    (b"Chrome/", "Chrome"),
    (b"Safari/", "Safari"),
    (b"curl/", "curl"),
    (b"python-", "Python"),
    (b"okhttp/", "Android app"),
    (b"CFNetwork/", "iOS app"),
)


def coarse_network(address: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 one; ``"unknown"`` where it is neither."""
    try:
        version = ip_address(address).version
    except ValueError:
        return "unknown"
    return str(ip_network(f"{address}/{24 if version == 4 else 48}", strict=False))


def agent_family(user_agent: bytes) -> str:
    """The browser's family, and 32 bits of a hash that tell two versions apart without naming them."""
    family = next((name for mark, name in _FAMILIES if mark in user_agent), "other")
    return f"{family} {hashlib.sha256(user_agent).hexdigest()[:8]}"


def metadata(client: Client, provider_session: str | None = None) -> Mapping[str, str]:
    """Network and kind of browser, coarse on purpose (security row PR-01), and the provider's name for the session."""
    headers, address = client
    known = {}
    if address is not None:
        known["network"] = coarse_network(address)
    agent = next((value for name, value in headers if name == b"user-agent"), None)
    if agent is not None:
        known["user_agent"] = agent_family(agent)
    if provider_session is not None:
        known["provider_session"] = provider_session
    return known
