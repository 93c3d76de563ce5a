"""A pytest plugin for Starlette's own tests: puts our classes where they import theirs from.

`ASGI_SESSION_SWAP` says which: `SessionMiddleware`, or `SessionMiddleware,Session`. `ASGI_SESSION_STORE` is a store's URL, for a
middleware that is told nothing else.
"""

import os
from typing import Any

import starlette.middleware.sessions as theirs

import asgi_session

_STORE = os.environ.get("ASGI_SESSION_STORE")


class OnThatStore(asgi_session.SessionMiddleware):
    """The middleware as an application makes it, with its sessions on a server."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, store=_STORE, **options)


for _name in os.environ["ASGI_SESSION_SWAP"].split(","):
    _ours = OnThatStore if _STORE and _name == "SessionMiddleware" else getattr(asgi_session, _name)
    setattr(theirs, _name, _ours)
