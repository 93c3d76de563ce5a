"""quart-session in Redis."""

from quart import Quart, session
from quart_session import Session

from benchmarks.contenders.site import NAME, ASGIApp, Site


def redis(site: Site) -> ASGIApp:
    """As it comes: ids are not signed, because its signer fails with the Werkzeug of today."""
    app = Quart(__name__)
    app.config.update(SESSION_TYPE="redis", SESSION_URI=site.redis_url)
    Session(app)

    @app.get("/read")
    async def read() -> str:
        name: str = session["name"]
        return name

    @app.post("/login")
    async def login() -> str:
        session.update(site.data)
        return NAME

    return app
