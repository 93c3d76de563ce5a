"""The Starlette example with two things around it: a page for the browser, and an issuer of tokens for development."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from examples.demo.development_issuer import DevelopmentIssuer
from examples.starlette_app import USERS, create_app

STATIC = Path(__file__).parent / "static"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def demo_app(address: str, store: str) -> Starlette:
    """The whole demo, to be served at ``address``; ``store`` is where the sessions live."""
    issuer = DevelopmentIssuer(f"{address}/development-issuer", audience="demo", passwords=USERS)
    source = (STATIC / "index.html").read_text().replace("{{store}}", "memory" if store.startswith("memory:") else "Redis")

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(source, headers=PAGE_HEADERS)

    return create_app(
        store,
        bearer=[issuer.verifier()],
        more_routes=[
            Route("/", page),
            Mount("/static", StaticFiles(directory=STATIC)),
            Mount("/development-issuer", routes=issuer.routes),
        ],
    )
