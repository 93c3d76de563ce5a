"""The application behind the middleware: one path for each thing that a handler does with its session."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

Hook = Callable[[], Awaitable[None]]


class Site:
    """A bare ASGI application."""

    def __init__(self) -> None:
        self.other = ""
        """Handle of somebody else's session, to be revoked."""
        self.between: Hook | None = None
        """Runs after the session was loaded, before the handler does what its path says."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        session = scope["session"]
        if self.between is not None:
            hook, self.between = self.between, None
            await hook()
        match scope["path"]:
            case "/write":
                session["written"] = session.get("written", 0) + 1
            case "/login":
                await session.login("bob")
            case "/logout":
                await session.logout()
            case "/revoke":
                manager = scope["asgi_session"].manager
                await manager.revoke(self.other)
                await manager.revoke_user("ben")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        body = {"authenticated": scope["user"].is_authenticated}
        if scope["path"] != "/public":
            body |= {"user": session.user_id, "data": dict(session)}
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})
