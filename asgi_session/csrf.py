"""Cross-site request forgery: is an unsafe request that rides on the cookie really our own page's?

The browser says so itself (Fetch Metadata, and Origin for older ones); no token has to be put into forms. Same table as Go 1.25's
``CrossOriginProtection`` (security rows CS-01 to CS-09):

    Sec-Fetch-Site: same-origin | none      pass
    Sec-Fetch-Site: anything else           refused, unless Origin is trusted
    no Sec-Fetch-Site, Origin               pass where it is our own origin or a trusted one, else refused ("null" too)
    neither                                 pass (no browser sends this); with ``strict=True`` only with the custom header

WebSocket handshakes are checked like unsafe requests although they are GETs: scripts of any site may open them with our cookie.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from .arguments import shown, texts
from .exceptions import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OUR_OWN_SITE = (b"same-origin", b"none")
"""What a browser says in ``Sec-Fetch-Site`` of a request that no other site caused."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
# no empty segment, no "." or "..", nothing that a router or a proxy may read as the end of the path: an exemption must mean
# the same path to everybody (security row CS-05)
_PLAIN_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[^/\\;?#%\x00-\x20\x7f]+)+/?")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")


@dataclass(frozen=True, slots=True)
class CSRFPolicy:
    """What protects cookie-authenticated unsafe requests."""

    trusted_origins: str | Sequence[str] = ()
    """Other origins whose pages may send unsafe requests with the cookie: ``"https://app.example.com"``, exactly."""
    external_origin: str | None = None
    """Our own origin as browsers see it, where a proxy changes the Host header: ``"https://www.example.com"``."""
    exempt_paths: str | Sequence[str] = ()
    """Paths that are not checked (webhooks that bring no cookie need no exemption): ``"/hooks"`` itself and what is below it."""
    strict: bool = False
    """Refuse also a request with neither header, unless it carries ``custom_header``."""
    custom_header: str = "x-requested-with"
    """A header that a cross-site page can't add without asking first (CORS); its presence is enough with ``strict``."""
    enabled: bool = True
    """False is unsafe: any site may then act in the name of whoever is logged in here."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "trusted_origins", texts(self.trusted_origins))
        object.__setattr__(self, "exempt_paths", texts(self.exempt_paths))

    def problems(self) -> list[Problem]:
        """Origins and paths that would never match, or match too much; values that mean nothing."""
        found = []
        for at, origin in enumerate(self.trusted_origins):
            if not _is_origin(origin):
                found.append(_bad_origin(f"csrf.trusted_origins[{at}]", origin))
        if self.external_origin is not None and not _is_origin(self.external_origin):
            found.append(_bad_origin("csrf.external_origin", self.external_origin))
        for at, path in enumerate(self.exempt_paths):
            if not _is_text(_PLAIN_PATH, path) or path.endswith("/"):
                fix = "Use a decoded path such as '/hooks', without a slash at its end; what is below it is exempt too."
                found.append(Problem(f"csrf.exempt_paths[{at}]", f"{shown(path)} is no path.", fix))
        for field in ("strict", "enabled"):
            if not isinstance(getattr(self, field), bool):
                found.append(Problem(f"csrf.{field}", f"is {shown(getattr(self, field))}.", "Write True or False."))
        if not _is_text(_HEADER_NAME, self.custom_header):
            found.append(
                Problem("csrf.custom_header", f"{shown(self.custom_header)} is no name.", "Write one such as 'x-requested-with'.")
            )
        return found

    def applies_to(self, scope: Mapping[str, Any]) -> bool:
        """Whether this request would have to prove where it comes from, if it rides on the cookie."""
        if not self.enabled or (scope["type"] == "http" and scope["method"] in SAFE_METHODS):
            return False
        path = scope["path"]
        exempt = any(path == prefix or path.startswith(prefix + "/") for prefix in self.exempt_paths)
        return not (exempt and _PLAIN_PATH.fullmatch(path))

    def allows(self, scope: Mapping[str, Any]) -> bool:
        """The table above."""
        site, origin, host, custom = _relevant(scope["headers"], self.custom_header.lower().encode("latin-1"))
        if len(site) > 1 or len(origin) > 1:
            return False  # no browser repeats them
        if origin and origin[0].decode("latin-1").lower() in self.trusted_origins:
            return True
        if site:
            return site[0] in OUR_OWN_SITE
        if origin:
            return self._is_own(origin[0].decode("latin-1"), host, scope)
        return custom or not self.strict

    def _is_own(self, origin: str, host: list[bytes], scope: Mapping[str, Any]) -> bool:
        if self.external_origin is not None:
            return origin.lower() == self.external_origin.lower()
        parts = _split(origin)
        if parts is None or len(host) != 1:
            return False
        scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
        ours = _split(f"{scheme}://{host[0].decode('latin-1')}")
        # behind a proxy that ends TLS, the page is https and we are told http; the other way round would be a downgrade
        return ours is not None and (parts == ours or (_same_host(parts, ours) and (parts[0], ours[0]) == ("https", "http")))


def _relevant(headers: Sequence[tuple[bytes, bytes]], custom: bytes) -> tuple[list[bytes], list[bytes], list[bytes], bool]:
    site, origin, host, has_custom = [], [], [], False
    for name, value in headers:
        if name == b"sec-fetch-site":
            site.append(value)
        elif name == b"origin":
            origin.append(value)
        elif name == b"host":
            host.append(value)
        elif name == custom:
            has_custom = True
    return site, origin, host, has_custom


def _split(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path or parts.query or parts.fragment or parts.username:
        return None
    return parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def _same_host(theirs: tuple[str, str, int], ours: tuple[str, str, int]) -> bool:
    if theirs[1] != ours[1]:
        return False
    return theirs[2] == ours[2] or (theirs[2], ours[2]) == (443, 80)


def _is_text(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_origin(origin: object) -> bool:
    """Whether a browser may send exactly this (HTML's serialization of an origin): anything else would never match."""
    parts = _split(origin) if isinstance(origin, str) else None
    if parts is None:
        return False
    scheme, host, port = parts
    if ":" in host:
        spelt = f"[{host}]" if _is_address(host) else ""
    else:
        is_number = host.rstrip(".").rpartition(".")[2].isdigit()
        spelt = host if _HOST_NAME.fullmatch(host) and (not is_number or _is_address(host)) else ""
    return bool(spelt) and origin == f"{scheme}://{spelt}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _bad_origin(field: str, origin: object) -> Problem:
    fix = (
        "Write it as a browser sends it: https://app.example.com, in lower case and without path, wildcard or default port (:443); "
        "letters that are not ASCII as xn--…"
    )
    return Problem(field, f"{shown(origin)} is no origin.", fix)
