"""A Lua script, as its package file holds it, and what may be given to it."""

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Self

Operand = str | bytes | int | float
"""What a command may be made of. A bool is none of them: Redis has no such value."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest under which a server keeps it."""

    name: str
    """For messages and metrics: the file's name without its ending."""
    source: str = field(repr=False)
    sha: str = field(init=False)
    """What EVALSHA wants: the hexadecimal SHA-1 of the source."""

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest())

    @classmethod
    def from_package(cls, package: str, filename: str) -> Self:
        """Reads a script that lies in a package; works from a wheel and from a zip file.

        Args:
            package: dotted name, for example ``"asgi_session.stores.redis"``.
            filename: for example ``"load.lua"``.

        Raises:
            FileNotFoundError: the package has no such file.
        """
        source = files(package).joinpath(filename).read_text(encoding="utf-8")
        return cls(filename.removesuffix(".lua"), source)
