"""What does this request present? A bearer credential, the session cookie, or nothing. CPU only; nothing is judged yet.

One rule where both are there (security row ID-11): a bearer credential that is ours to judge wins, and the cookie plays no part in
the request, so that it needs no CSRF check. Credentials are read from the cookie and the Authorization header alone, never from
the query or a body (ID-10).
"""

import re

from .. import challenges
from ..client_address import TrustedProxies, network_of
from ..context import Context, Request, Verdict
from ..cookies import Ambiguous, CookiePolicy, Headers, find_cookie
from ..ids import looks_like_credential
from .base import Rejection, bearer_refused

MAX_AUTHORIZATION = 16 * 1024
_BEARER = re.compile(rb"bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
_TOKEN68 = re.compile(rb"[A-Za-z0-9._~+/-]+=*")

_TWICE = bearer_refused(400, "Bad Request", "invalid_request", challenges.invalid_request("Send one Authorization header."))
_MALFORMED = bearer_refused(400, "Bad Request", "invalid_request", challenges.invalid_request("Send one bearer token."))


class Resolve:
    """The first stage."""

    def __init__(self, cookies: CookiePolicy, proxies: TrustedProxies, *, verifies_tokens: bool) -> None:
        self._cookies = cookies
        self._proxies = proxies
        self._verifies_tokens = verifies_tokens

    def __call__(self, request: Request) -> Rejection | None:
        """See the module."""
        scope = request.scope
        request.public.client_ip = self._proxies.client_address(scope)
        headers = scope["headers"]
        lines = [value for name, value in headers if name == b"authorization"]
        if lines:
            rejection = self._bearer(request, lines)
            if rejection is not None:
                return rejection
            if request.presented is not None:
                request.context = context_of(headers, request.public.client_ip)
                return None
        request.cookie = self._cookies.format_for(scope)
        value = find_cookie(headers, request.cookie.name)
        if isinstance(value, Ambiguous):
            request.public.verdict = Verdict("quick", False, "ambiguous")
        elif value is not None:
            request.public.credential = "cookie"
            request.presented = value.decode("latin-1")
            request.context = context_of(headers, request.public.client_ip)
        return None

    def _bearer(self, request: Request, lines: list[bytes]) -> Rejection | None:
        bearers = [match for match in map(_BEARER.fullmatch, lines) if match is not None]
        if not bearers:
            return None  # another scheme: the application's business
        if len(lines) > 1:
            return _TWICE
        token = bearers[0][1] or b""
        if len(token) > MAX_AUTHORIZATION or not _TOKEN68.fullmatch(token):
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


def context_of(headers: Headers, client_ip: str | None) -> Context:
    """What a verdict is bound to: a credential that arrives with other ones is looked at again."""
    agent = language = encoding = b""
    for name, value in headers:
        if name == b"user-agent":
            agent = value
        elif name == b"accept-language":
            language = value
        elif name == b"accept-encoding":
            encoding = value
    return agent, language, encoding, network_of(client_ip) if client_ip is not None else ""
