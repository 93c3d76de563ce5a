"""Which requests a rule's ``paths`` mean, however the client spells the path.

A limit that ``/Login``, ``//login/`` or ``/%6cogin`` gets around protects nothing, and some router or proxy treats each
of them as ``/login``. So both the pattern and the request's path are brought into one canonical form before they are
compared. The form is coarser than any router's: at worst a request that would have been a 404 counts as well (RL-13).
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

_CANONICAL = re.compile(r"(?:/[a-z0-9_~-]+)+")
_DECODINGS = 4
"""How often a path is decoded at most; nobody nests deeper who doesn't attack."""


def canonical_path(path: str) -> str:
    """One spelling for all of: letter case, doubled and trailing slashes, dots, ``;parameters``, percent-encoding."""
    if _CANONICAL.fullmatch(path):
        return path
    for _ in range(_DECODINGS):
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    segments: list[str] = []
    for raw in path.replace("\\", "/").split("/"):
        segment = raw.partition(";")[0].strip().casefold()
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    return "/" + "/".join(segments)


class PathPatterns:
    """Exact paths, and trees where the pattern ends in ``/*`` (the tree's root belongs to it)."""

    __slots__ = ("_exact", "_trees")

    def __init__(self, patterns: Iterable[str]) -> None:
        exact: set[str] = set()
        trees: list[str] = []
        for pattern in patterns:
            path = canonical_path(pattern.removesuffix("*"))
            exact.add(path)
            if pattern.endswith("/*"):
                trees.append(path if path == "/" else path + "/")
        self._exact = frozenset(exact)
        self._trees = tuple(trees)

    def match(self, path: str) -> bool:
        """Whether a path (``scope["path"]``) belongs to one of the patterns."""
        path = canonical_path(path)
        return path in self._exact or path.startswith(self._trees)
