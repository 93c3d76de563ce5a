"""The store's Lua scripts: ``lua/session.lua``, which all share, in front of each one's own step."""

from importlib.resources import files

from ...redis.script import Script


def _script(name: str) -> Script:
    folder = files(__package__) / "lua"
    return Script(name, (folder / "session.lua").read_text() + (folder / f"{name}.lua").read_text())


CREATE = _script("create")
LOAD = _script("load")
COMMIT = _script("commit")
REGENERATE = _script("regenerate")
DESTROY = _script("destroy")
REVOKE = _script("revoke")
REVOKE_USER = _script("revoke_user")
REVOKE_ALL = _script("revoke_all")
LIST = _script("list")
PRUNE = _script("prune")
