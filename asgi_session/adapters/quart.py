"""``quart.session`` as the session that ``SessionMiddleware`` carries.

    quart_app = Quart(__name__)
    quart_app.session_interface = ScopeSessionInterface()
    app = SessionMiddleware(quart_app, secret_key=...)

Quart's own cookie, its ``secret_key`` and its ``SESSION_…`` settings then play no part, nor does ``session.permanent``: how long a
session lives is said to the middleware.
"""

from typing import Any, cast

from quart import Quart, Response
from quart.sessions import SessionInterface, SessionMixin
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse

__all__ = ["ScopeSessionInterface"]


class ScopeSessionInterface(SessionInterface):
    """Hands Quart the session of the scope. Nothing is opened or saved here: the middleware does both."""

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> SessionMixin:
        """The :class:`asgi_session.Session` of this request or socket, with all that it can.

        Raises:
            RuntimeError: it did not come through the middleware.
        """
        session: Any = cast("dict[str, Any]", request.scope).get("session")
        if session is None:
            raise RuntimeError("There is no session: serve SessionMiddleware(quart_app, ...) in place of quart_app.")
        return cast("SessionMixin", session)  # a dictionary with the attributes that Quart looks at

    async def save_session(self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None) -> None:
        """Nothing to do: the middleware saves when the response starts."""
