"""One HTTP GET of a provider's public document, with everything off that a provider could abuse (JW-25).

No redirects, no cookies, no proxies or credentials from the environment, TLS verified, no compression, at most 512 KiB. The
deadline is the caller's. A client lives for one request: it happens every ten minutes, and so it belongs to no event loop.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

MAX_BODY_BYTES = 512 * 1024
_NO_TIMEOUT = None  # of the client's own, which would apply to each read: the caller's deadline is for the whole
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "asgi_session"}

Fetch = Callable[[str], Awaitable[bytes]]
"""URL → body of its 200 answer. Raises whatever it likes where there is none."""


class FetchFailed(Exception):
    """Keys could not be had; ``code`` is one of few, and names no part of the answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class HttpFetch:
    """The ``Fetch`` that is used unless another one is given."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None

    async def __call__(self, url: str) -> bytes:
        """The body at ``url``.

        Raises:
            FetchFailed: there is none to be had: ``connect``, ``status``, ``encoding`` or ``too_large``.
        """
        if self._tls is None:
            self._tls = await asyncio.to_thread(_trusted_roots)  # 0.4 s of imports and certificates, not on the loop
        import httpx

        try:
            async with (
                httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=_NO_TIMEOUT) as client,
                client.stream("GET", url, headers=_HEADERS) as response,
            ):
                return await _body(response)
        except (httpx.HTTPError, httpx.InvalidURL):
            pass
        raise FetchFailed("connect")


async def _body(response: "httpx.Response") -> bytes:
    if response.status_code != 200:
        raise FetchFailed("status")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("encoding")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise FetchFailed("too_large")
    return bytes(body)


def _trusted_roots() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()  # certifi's roots, or those of SSL_CERT_FILE / SSL_CERT_DIR
