"""What does this request present? A bearer credential, the session cookie, or nothing. CPU only; nothing is judged yet.

One rule where both are there (security row ID-11): a bearer credential that is ours to judge wins, and the cookie plays no part in
the request, so that it needs no CSRF check. Credentials are read from the cookie and the Authorization header alone, never from
the query or a body (ID-10).
"""

import re
from collections.abc import Mapping, Set
from functools import lru_cache

from .. import challenges
from ..client_address import TrustedProxies, network_of
from ..context import Request, Verdict
from ..cookies import AMBIGUOUS, FORWARDING, MAX_COOKIE_HEADER, Ambiguous, CookiePolicy, Headers, find_cookie
from ..fingerprint import FingerprintPolicy
from ..ids import looks_like_credential
from .base import Rejection, bearer_refused

MAX_AUTHORIZATION = 16 * 1024
REMEMBERED_LENGTH = 1024
REMEMBERED_LINES = 4096
MAX_JOINED = max(MAX_AUTHORIZATION, MAX_COOKIE_HEADER)
_BEARER = re.compile(rb"bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
_TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"

_CONTEXT = frozenset({b"user-agent", b"accept-language", b"accept-encoding", b"sec-ch-ua-platform", b"sec-ch-ua-mobile"})
_READ = FORWARDING | {b"authorization", b"cookie", b"host"} | _CONTEXT
_AMBIGUOUS = Verdict("quick", False, "ambiguous")

_TWICE = bearer_refused(400, "Bad Request", "invalid_request", challenges.invalid_request("Send one Authorization header."))
_MALFORMED = bearer_refused(400, "Bad Request", "invalid_request", challenges.invalid_request("Send one bearer token."))


class Resolve:
    """The first stage."""

    def __init__(
        self,
        cookies: CookiePolicy,
        proxies: TrustedProxies,
        *,
        verifies_tokens: bool,
        fingerprint: FingerprintPolicy | None = None,
    ) -> None:
        self._cookies = cookies
        self._proxies = proxies
        self._verifies_tokens = verifies_tokens
        headers = () if fingerprint is None else fingerprint.headers
        self._more = tuple(name.encode() for name in headers if name.encode() not in _CONTEXT)
        self._read = _READ | set(self._more)

    def __call__(self, request: Request) -> Rejection | None:
        """See the module."""
        scope = request.scope
        public = request.public
        headers = scope["headers"]
        address = request.client_ip = public.client_ip = self._proxies.client_address(scope)
        request.client = headers, address
        found: dict[bytes, bytes] = dict(headers)
        repeated = len(found) != len(headers)
        if repeated:
            found = _joined(headers, self._read)
        if b"authorization" in found:
            twice = repeated and sum(name == b"authorization" for name, _ in headers) > 1
            rejection = self._bearer(request, found[b"authorization"], twice)
            if rejection is not None:
                return rejection
        if request.presented is None:
            self._cookie(request, found)
        if request.presented is not None:
            request.context = (
                network_of(address) if address is not None else "",
                found.get(b"user-agent", b""),
                found.get(b"accept-language", b""),
                found.get(b"accept-encoding", b""),
                found.get(b"sec-ch-ua-platform", b""),
                found.get(b"sec-ch-ua-mobile", b""),
            )
            if self._more:
                request.context += tuple(found.get(name, b"") for name in self._more)
        return None

    def _cookie(self, request: Request, headers: Mapping[bytes, bytes]) -> None:
        request.cookie = spelling = self._cookies.format_for(request.scope, headers)
        line = headers.get(b"cookie")
        if line is None:
            return
        # a client sends the same line again and again
        value = _find_again(line, spelling.name) if len(line) <= REMEMBERED_LENGTH else _find(line, spelling.name)
        if type(value) is str:
            request.public.credential = "cookie"
            request.presented = value
        elif value is AMBIGUOUS:
            request.public.verdict = _AMBIGUOUS

    def _bearer(self, request: Request, line: bytes, twice: bool) -> Rejection | None:
        if twice:
            return _TWICE if b"bearer" in line.lower() else None
        match = _BEARER.fullmatch(line)
        if match is None:
            return None  # another scheme: the application's business
        token = match[1] or b""
        if len(token) > MAX_AUTHORIZATION or not _is_token68(token):
            return _MALFORMED
        text = token.decode("ascii")
        if looks_like_credential(text):
            request.public.credential = "bearer-session"
        elif self._verifies_tokens:
            request.public.credential = "bearer-jwt"
        else:
            return None  # a token for the application itself
        request.presented = text
        return None


def _is_token68(token: bytes) -> bool:
    """RFC 9110 §11.2. In a quarter of the time that a pattern takes."""
    characters = token.rstrip(b"=")
    return bool(characters) and not characters.translate(None, _TOKEN68)


def _joined(headers: Headers, read: Set[bytes]) -> dict[bytes, bytes]:
    """The headers that are read here, where some header came in several lines (HTTP/2 splits Cookie, IN-04)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in read:
            if name not in found:
                found[name] = value
            elif len(found[name]) <= MAX_JOINED:  # what is too long already stays so; joining it on would take quadratic time
                found[name] += b"; " + value
    return found


def _find(line: bytes, name: bytes) -> str | Ambiguous | None:
    value = find_cookie(line, name)
    return value.decode("latin-1") if isinstance(value, bytes) else value


_find_again = lru_cache(REMEMBERED_LINES)(_find)
