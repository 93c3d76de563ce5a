"""Which requests a rule's ``paths`` mean, however the client spells the path.

A limit that ``/Login``, ``//login/`` or ``/%6cogin`` gets around protects nothing, and some router or proxy treats each
of them as ``/login``. Others take a path more literally than we would: a route ``/api/search/{q:path}`` also serves
``/api/search/../..``. Nobody knows here who will read the path, so a request belongs to a pattern if **any** reading of
its path does: decoded never or several times, with a backslash as a separator or not, with ``;parameters`` or without.

What dots lead to depends on how much of the rest is decoded when they are resolved, and what parameters hide on when they
are cut: there are more ways than can be tried. So where a path has dots, or parameters beside other oddities, it belongs to
each pattern whose segments it has, in this order and with anything in between: every reading takes segments away, and adds
none. No browser sends that; whoever does is counted rather twice than never (RL-13). An odd path that is longer than any
real one belongs to all of them, unread.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

_PLAIN = re.compile(r"(?:/[a-z0-9_~-]+)+")
"""There is only one reading of these."""
_DECODINGS = 4
"""How often a path is decoded at most; nobody nests deeper who doesn't attack."""
_LONGEST = 4096
"""Characters of a path that is read; to take a long one apart is work that its sender decides on."""


def canonical_path(path: str) -> str:
    """One spelling for all of: letter case, doubled and trailing slashes, dots, ``;parameters``, percent-encoding."""
    if _PLAIN.fullmatch(path):
        return path
    resolved: list[str] = []
    for segment in _segments(_decodings(path)[-1].replace("\\", "/")):
        if segment == "..":
            del resolved[-1:]
        else:
            resolved.append(segment)
    return _joined(resolved)


class PathPatterns:
    """Exact paths, and trees where the pattern ends in ``/*`` (the tree's root belongs to it)."""

    __slots__ = ("_exact", "_segments", "_trees")

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
        self._segments = [_segments(path) for path in exact]

    def match_request(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request's path belongs to one of the patterns, below the mount point (``root_path``) or with it.

        Routers look below it: under ``--root-path /api``, the route ``/login`` answers to ``/api/login``. Some servers leave it out
        of the path, so it is put before it as well (security row IN-10).
        """
        path, root = scope.get("path", ""), scope.get("root_path", "").rstrip("/")
        if self.match(path):
            return True
        if not root:
            return False
        if path == root or path.startswith(f"{root}/"):
            return self.match(path[len(root) :] or "/")
        return self.match(root + path)

    def match(self, path: str) -> bool:
        """Whether a path (``scope["path"]``) belongs to one of the patterns."""
        if _PLAIN.fullmatch(path):
            return self._has(path)
        if len(path) > _LONGEST:
            return True
        decodings = _decodings(path)
        readings = {reading for text in decodings for reading in (text, text.replace("\\", "/"))}
        barest = decodings[-1].replace("\\", "/")
        every = _segments(barest)  # whatever segment a reading shares with a pattern is among these
        if ".." in every or (";" in barest and len(readings) > 1):
            return any(_is_within(segments, every) for segments in self._segments)
        return any(self._has(_joined(_segments(reading))) for reading in readings)

    def _has(self, path: str) -> bool:
        return path in self._exact or path.startswith(self._trees)


def _decodings(path: str) -> list[str]:
    """The path as it came, and as it is after each time that it is decoded."""
    found = [path]
    for _ in range(_DECODINGS):
        decoded = unquote(path)
        if decoded == path:
            break
        found.append(decoded)
        path = decoded
    return found


def _segments(path: str) -> list[str]:
    """The segments without case, parameters and blanks; none that say nothing (``//``, ``/./``)."""
    segments = (raw.partition(";")[0].strip().casefold() for raw in path.split("/"))
    return [segment for segment in segments if segment not in {"", "."}]


def _joined(segments: Iterable[str]) -> str:
    return "/" + "/".join(segments)


def _is_within(wanted: Sequence[str], segments: Iterable[str]) -> bool:
    """Whether all that is wanted comes up, in its order."""
    rest = iter(segments)
    return all(segment in rest for segment in wanted)
