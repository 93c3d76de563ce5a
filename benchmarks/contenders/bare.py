"""The floor: each framework with nothing in front of it, and the one computation that no verifier of tokens can save."""

import base64

from benchmarks.contenders.site import NAME, ASGIApp, Receive, Scope, Send, Site, answer, application, no_login, of_nobody


def asgi(site: Site) -> ASGIApp:
    """No framework."""
    return application(of_nobody, no_login)


def fastapi(site: Site) -> ASGIApp:
    """FastAPI."""
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/read")
    async def read() -> PlainTextResponse:
        return PlainTextResponse(NAME)

    return app


def litestar(site: Site) -> ASGIApp:
    """Litestar."""
    from litestar import Litestar, get

    @get("/read", media_type="text/plain")
    async def read() -> str:
        return NAME

    return Litestar([read])


def quart(site: Site) -> ASGIApp:
    """Quart."""
    from quart import Quart

    app = Quart(__name__)

    @app.get("/read")
    async def read() -> str:
        return NAME

    return app


def verify(site: Site) -> ASGIApp:
    """RS256 by `cryptography` alone: nothing is parsed, nothing is checked but the signature."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    def number(name: str) -> int:
        return int.from_bytes(_decoded(site.jwks["keys"][0][name]))

    key = RSAPublicNumbers(number("e"), number("n")).public_key()
    padding, sha256 = PKCS1v15(), SHA256()
    prepared = {}
    for token in site.tokens:
        signed, _, signature = token.rpartition(".")
        prepared[b"Bearer " + token.encode()] = (_decoded(signature), signed.encode())
    inner = application(of_nobody, no_login)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/read":
            signature, signed = prepared[scope["headers"][-1][1]]
            key.verify(signature, signed, padding, sha256)
            return await answer(send)
        return await inner(scope, receive, send)

    return app


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
