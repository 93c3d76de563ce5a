"""The one reader of the Cookie header, and the one writer of Set-Cookie.

Reading (rfc6265bis §4.2, security rows IN-01 to IN-06): split at ``;``, trim space and tab only, never unquote; the name is
compared byte by byte. Whatever else a parser might forgive (other white space, quotes, another letter case) is another cookie.

Writing: everything that doesn't change from one response to the next is put together once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from .exceptions import Problem
from .lifetimes import LONGEST
from .record import Record

MAX_COOKIE_HEADER = 16 * 1024
MAX_COOKIES = 100
MAX_SET_COOKIE = 4096  # name and value together (rfc6265bis §5.6)
MAX_ATTRIBUTE = 1024

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE = re.compile(r"[\x21-\x3a\x3c-\x7e]+")  # no control characters, no space, no ";" (rfc6265bis §4.1.1)
_SECURE_PREFIXES = ("__secure-", "__host-", "__http-", "__host-http-")
_HOST_PREFIXES = ("__host-", "__host-http-")

SameSite = Literal["lax", "strict", "none"]
Headers = Iterable[tuple[bytes, bytes]]


class Ambiguous:
    """More than one cookie of that name came: their order says nothing, so none is believed (security row IN-03)."""


AMBIGUOUS = Ambiguous()


def find_cookie(line: bytes, name: bytes) -> bytes | Ambiguous | None:
    """The value of the cookie ``name`` in a Cookie header (several lines joined by ``"; "``); None where there is none.

    An oversized header holds no cookie at all. Linear time.
    """
    if len(line) > MAX_COOKIE_HEADER or line.count(b";") >= MAX_COOKIES:
        return None
    sought = name + b"="
    before, _, rest = line.partition(sought)
    if not rest and not line.endswith(sought):
        return None
    if (not before or before.endswith(b"; ")) and sought not in rest:  # as browsers write it
        return rest.partition(b";")[0].strip(b" \t")
    return _find_carefully(line, sought)


def _find_carefully(line: bytes, sought: bytes) -> bytes | Ambiguous | None:
    found: bytes | None = None
    at = line.find(sought)
    while at >= 0:
        end = line.find(b";", at)
        if at == 0 or line[at - 2 : at] == b"; " or _starts_pair(line, at):
            if found is not None:
                return AMBIGUOUS
            found = line[at + len(sought) : end if end >= 0 else None].strip(b" \t")
        if end < 0:
            break
        at = line.find(sought, end)  # one look per pair: a value full of names costs no more than another one
    return found


def _starts_pair(line: bytes, at: int) -> bool:
    return not line[line.rfind(b";", 0, at) + 1 : at].strip(b" \t")


@dataclass(frozen=True, slots=True)
class CookieFormat:
    """One way to spell the cookie: its name and attributes, as bytes that are ready to be sent."""

    name: bytes
    attributes_before: bytes  # "; path=/; "
    attributes_after: bytes  # "httponly; samesite=lax; secure"

    def set(self, credential: str, max_age: int | None) -> tuple[bytes, bytes]:
        """The header that gives the client ``credential``."""
        age = b"Max-Age=%d; " % max_age if max_age is not None else b""
        value = b"%s=%s%s%s%s" % (self.name, credential.encode("ascii"), self.attributes_before, age, self.attributes_after)
        return (b"set-cookie", value)

    def delete(self) -> tuple[bytes, bytes]:
        """The header that makes the client forget it: same name, path, domain and flags as the one that set it."""
        expires = b"expires=Thu, 01 Jan 1970 00:00:00 GMT; "
        return (b"set-cookie", b"%s=null%s%s%s" % (self.name, self.attributes_before, expires, self.attributes_after))


class CookiePolicy:
    """How the session cookie looks: to browsers over TLS, and to a developer's browser over plain http."""

    def __init__(
        self,
        *,
        name: str | None,
        max_age: int | None,
        path: str,
        same_site: SameSite,
        https_only: bool | None,
        domain: str | None,
        partitioned: bool,
    ) -> None:
        self.max_age = max_age
        self._arguments = (name, path, same_site, https_only, domain)
        self._partitioned = partitioned
        may_be_host = https_only is not False and path == "/" and domain is None
        flags = f"httponly; samesite={same_site}"
        tail = (f"; domain={domain}" if domain is not None else "") + ("; partitioned" if partitioned else "")
        before = f"; path={path}; "
        if name is None:
            # Starlette's name where the application asked for Starlette's own explicit choices
            secure_name, plain_name = ("__Host-session" if may_be_host else "session"), "session"
        else:
            secure_name = plain_name = name
        self.secure = _format(secure_name, before, f"{flags}; secure{tail}")
        self.plain = _format(plain_name, before, f"{flags}{tail}")
        # what browsers refuse without Secure, on localhost too (where they take Secure cookies over plain http)
        needs_secure = plain_name.lower().startswith(_SECURE_PREFIXES) or same_site == "none" or partitioned
        always_secure = https_only is True or needs_secure
        self._depends = https_only is None and not always_secure
        self._fixed = self.plain if https_only is False else self.secure

    def format_for(self, scope: Any, headers: Mapping[bytes, bytes]) -> CookieFormat:
        """How the cookie is spelled for this request."""
        if self._depends and scope.get("scheme", "http") in ("http", "ws") and is_local(headers):
            return self.plain
        return self._fixed

    def max_age_for(self, record: Record, default_idle: float) -> int | None:
        """Seconds for which the client shall keep the cookie: never longer than the session can live."""
        wanted = self._wanted_age(record, default_idle)
        return int(min(wanted, record.expires_at - record.last_seen_at, LONGEST)) if wanted is not None else None

    def _wanted_age(self, record: Record, default_idle: float) -> float | None:
        return self.max_age if record.idle_timeout == default_idle else record.idle_timeout

    def is_due(self, record: Record, default_idle: float) -> bool:
        """Whether the client's copy is to be renewed with this read: at most once per half of its Max-Age.

        The store slides the session at reads; a cookie that was only ever sent once would sign out the most faithful reader.
        """
        return record.slid_from is not None and self._halves(record, record.slid_from, record.last_seen_at, default_idle)

    def would_be_due(self, record: Record, at: float, default_idle: float) -> bool:
        """Whether the client's copy were to be renewed if the store slid the session ``at`` that time (its clock, seconds)."""
        return self._halves(record, record.last_seen_at, at, default_idle)

    def _halves(self, record: Record, before: float, after: float, default_idle: float) -> bool:
        """Whether half of the Max-Age, counted from the creation, ended between two times.

        Of the whole Max-Age, also where the absolute end is nearer: a cookie that lasts until then needs no renewal.
        """
        age = self._wanted_age(record, default_idle)
        if age is None or age <= 0:
            return False
        half = min(age, LONGEST) / 2
        return (after - record.created_at) // half > (before - record.created_at) // half

    def problems(self) -> list[Problem]:
        """Combinations that browsers refuse, or that would be unsafe."""
        name, path, same_site, https_only, domain = self._arguments
        found = []
        if name is not None and not _TOKEN.fullmatch(name):
            found.append(Problem("session_cookie", "is no cookie name.", "Use letters, digits, '-' and '_'."))
        if name is not None and len(name) > MAX_SET_COOKIE - 128:
            found.append(Problem("session_cookie", "is too long.", "Name and value share 4096 bytes; use a short name."))
        lowered = (name or "").lower()
        if lowered.startswith(_SECURE_PREFIXES) and https_only is False:
            found.append(
                Problem("https_only", f"browsers refuse {name!r} without Secure.", "Leave https_only out, or drop the prefix.")
            )
        if lowered.startswith(_HOST_PREFIXES) and (path != "/" or domain is not None):
            fix = 'Use path="/" and no domain, or drop the prefix.'
            found.append(Problem("session_cookie", f"browsers refuse {name!r} with a path or a domain.", fix))
        if same_site not in ("lax", "strict", "none"):
            found.append(Problem("same_site", f"{same_site!r} is not known.", "Use 'lax', 'strict' or 'none'."))
        if https_only is False and (same_site == "none" or self._partitioned):
            what = "same_site='none'" if same_site == "none" else "partitioned=True"
            found.append(Problem("https_only", f"browsers refuse {what} without Secure.", "Leave https_only out."))
        if not path.startswith("/"):
            found.append(
                Problem("path", f"{path[:80]!r} does not start with '/'.", "Use '/' or the mount path of the application.")
            )
        for field, value in (("path", path), ("domain", domain or "x")):
            if not _ATTRIBUTE.fullmatch(value) or len(value) > MAX_ATTRIBUTE:
                found.append(Problem(field, "holds characters that a cookie can't carry, or is too long.", "Use plain ASCII."))
        return found


def _format(name: str, before: str, after: str) -> CookieFormat:
    # what can't be encoded is reported by problems(), before anything is sent
    return CookieFormat(*(part.encode("ascii", "replace") for part in (name, before, after)))


FORWARDING = frozenset(
    b"forwarded via x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-proto x-forwarded-protocol "
    b"x-forwarded-scheme x-forwarded-server x-forwarded-ssl x-forwarded-by x-original-forwarded-for x-original-host "
    b"x-original-proto x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip front-end-https "
    b"x-url-scheme".split()
)
"""What proxies say of the request that they pass on."""


def is_local(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a plain-http request is a developer's own or a test's: a loopback or test host, and no proxy in between.

    A reverse proxy that ends TLS often hands on ``Host: 127.0.0.1``; its forwarding headers tell it apart. Set ``https_only=True``
    where that is all the protection there is (the production preset does).
    """
    host = headers.get(b"host", b"")
    return len(host) <= _LONGEST_HOST and _is_local_host(host) and FORWARDING.isdisjoint(headers)


_LONGEST_HOST = 256
"""No name is longer, and what a client makes up is not kept."""


@lru_cache(maxsize=256)
def _is_local_host(host: bytes) -> bool:
    name = host.lower()
    if name.startswith(b"["):
        return name.partition(b"]")[0] == b"[::1"
    name = name.partition(b":")[0]
    return name in (b"localhost", b"testserver", b"test") or name.endswith(b".localhost") or _is_loopback(name)


def _is_loopback(name: bytes) -> bool:
    parts = name.split(b".")
    return len(parts) == 4 and parts[0] == b"127" and all(len(part) < 4 and part.isdigit() and int(part) < 256 for part in parts)
