"""The store's Lua scripts: ``lua/session.lua``, which all share, in front of each one's own step.

Those that keep the cap on a user's sessions also get ``lua/cap.lua``.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ...redis.script import Script
from .keys import news_ending

_CAPPED = frozenset({"create", "room"})


class Scripts(NamedTuple):
    """One script per step."""

    create: Script
    room: Script
    load: Script
    touch: Script
    commit: Script
    regenerate: Script
    destroy: Script
    revoke: Script
    revoke_user: Script
    revoke_all: Script
    list: Script
    prune: Script


@cache
def scripts(*, sharded: bool, database: int = 0) -> Scripts:
    """The scripts; ``sharded``: for a Cluster, with sharded channels; ``database``: elsewhere, whose news it is."""
    folder = files("asgi_session.stores.redis") / "lua"
    given = f"local SHARDED = {str(sharded).lower()}\nlocal NEWS = '{news_ending(database)}'\n"
    shared = given + (folder / "session.lua").read_text()
    cap = (folder / "cap.lua").read_text()
    sources = {name: (folder / f"{name}.lua").read_text() for name in Scripts._fields}
    return Scripts(*(Script(name, shared + (cap if name in _CAPPED else "") + own) for name, own in sources.items()))
