"""A browser's cookie store, as far as rfc6265bis-20 §5.7 and §5.8 describe one; for what a Set-Cookie really does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LIMIT = 34_560_000


@dataclass(frozen=True)
class Cookie:
    """A stored cookie."""

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    http_only: bool
    same_site: str
    partitioned: bool
    expires: float | None
    """Seconds since the epoch; None: when the browser closes."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two cookies one (§5.7, step 23; the partition is CHIPS')."""
        return self.name, self.domain, self.host_only, self.path, self.partitioned


class CookieJar:
    """Takes Set-Cookie lines as a browser does: what breaks a rule is ignored without a word."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._cookies: dict[tuple[object, ...], Cookie] = {}

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Cookie]:
        return (cookie for cookie in self._cookies.values() if cookie.expires is None or cookie.expires > self.now)

    def take(self, set_cookie: str, url: str) -> bool:
        """One Set-Cookie line of a response from `url`; whether it was heeded (a deletion is, too)."""
        cookie = self._parsed(set_cookie, url)
        if cookie is None:
            return False
        if cookie.expires is not None and cookie.expires <= self.now:
            self._cookies.pop(cookie.key, None)
        else:
            self._cookies[cookie.key] = cookie
        return True

    def header_for(self, url: str) -> str | None:
        """The Cookie header of a same-site request to `url`."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        fitting = [
            cookie
            for cookie in self
            if (host == cookie.domain if cookie.host_only else _domain_match(host, cookie.domain))
            and _path_match(parts.path or "/", cookie.path)
            and (not cookie.secure or _is_trustworthy(url))
        ]
        fitting.sort(key=lambda cookie: len(cookie.path), reverse=True)
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting) or None

    def _parsed(self, line: str, url: str) -> Cookie | None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if _CONTROL.search(line):
            return None
        pair, *rest = line.split(";")
        name, equals, value = pair.partition("=")
        name, value = (name.strip(" \t"), value.strip(" \t")) if equals else ("", pair.strip(" \t"))
        if not (name or value) or len(name) + len(value) > 4096:
            return None
        given: dict[str, str] = {}
        for attribute in rest:
            key, _, text = attribute.partition("=")
            if len(text.strip(" \t")) <= 1024:
                given[key.strip(" \t").lower()] = text.strip(" \t")
        domain = given.get("domain", "").removeprefix(".").lower()
        if domain and not _domain_match(host, domain):
            return None
        path = given.get("path", "")
        cookie = Cookie(
            name,
            value,
            domain or host,
            not domain,
            path if path.startswith("/") else (parts.path.rpartition("/")[0] or "/"),
            "secure" in given,
            "httponly" in given,
            given.get("samesite", "default").lower(),
            "partitioned" in given,
            self._expiry(given),
        )
        return cookie if _is_allowed(cookie, "path" in given, _is_trustworthy(url)) else None

    def _expiry(self, given: dict[str, str]) -> float | None:
        if re.fullmatch(r"-?[0-9]+", given.get("max-age", "")):
            return self.now + min(int(given["max-age"]), _LIMIT)
        if "expires" in given:
            return min(parsedate_to_datetime(given["expires"]).timestamp(), self.now + _LIMIT)
        return None


def _is_trustworthy(url: str) -> bool:
    """Browsers take and send Secure cookies, prefixed ones too, on plain http to a loopback host (seen with Chromium)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def _is_allowed(cookie: Cookie, has_path: bool, trustworthy: bool) -> bool:
    name = cookie.name.lower()
    if cookie.secure and not trustworthy:
        return False
    if not cookie.secure and (name.startswith(("__secure-", "__host-", "__http-")) or cookie.same_site == "none"):
        return False
    if name.startswith(("__http-", "__host-http-")) and not cookie.http_only:
        return False
    if name.startswith("__host-") and not (cookie.host_only and has_path and cookie.path == "/"):
        return False
    return cookie.secure or not cookie.partitioned


def _domain_match(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)


def _path_match(path: str, cookie_path: str) -> bool:
    return path == cookie_path or (path.startswith(cookie_path) and (cookie_path.endswith("/") or path[len(cookie_path)] == "/"))
