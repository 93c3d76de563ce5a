"""quart-session in Redis."""

from quart_session import Session

from benchmarks.contenders.framed import quart_application
from benchmarks.contenders.site import ASGIApp, Site


def redis(site: Site) -> ASGIApp:
    """As it comes: ids are not signed, because its signer fails with the Werkzeug of today."""
    app = quart_application(site)
    app.config.update(SESSION_TYPE="redis", SESSION_URI=site.redis_url)
    Session(app)
    return app
