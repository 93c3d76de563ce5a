"""The contenders of one benchmark, hosted in worker processes: one for each library."""

import contextlib
from collections.abc import Sequence
from typing import Self

from benchmarks.children import Child
from benchmarks.driver import Round
from benchmarks.lab import Lab, as_arguments
from benchmarks.registry import Contender


class ContenderFailed(RuntimeError):
    """A contender answered something else than it has to: its numbers would mean nothing."""


class Hosts(contextlib.ExitStack):
    """Workers with all contenders open; leaving it closes them."""

    def __init__(self, lab: Lab, contenders: Sequence[Contender], visitors: int) -> None:
        super().__init__()
        self._lab = lab
        self._contenders = contenders
        self._visitors = visitors
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        site = as_arguments(self._lab.site(tokens=self._visitors))
        for contender in self._contenders:
            self._lab.step(f"opening {contender.name}")
            if contender.module not in self._children:
                child = self._lab.child("benchmarks.hosting:Host", contender.environment)
                self._children[contender.module] = self.enter_context(child)
            self._of(contender).call("open", name=contender.name, site=site, visitors=self._visitors)
        return self

    def __exit__(self, *error: object) -> bool:
        if error[0] is None:
            for child in self._children.values():
                child.call("close")
        return bool(super().__exit__(*error))  # type: ignore[arg-type]

    def round(self, contender: Contender, requests: int, in_flight: int) -> Round:
        """One round.

        Raises:
            ContenderFailed: an answer was wrong.
        """
        done = Round(**self._of(contender).call("round", name=contender.name, requests=requests, in_flight=in_flight))
        if done.failures:
            raise ContenderFailed(f"{contender.name} answered wrongly: {'; '.join(done.failures)}")
        return done

    def versions(self) -> dict[str, str]:
        """Of the contenders' packages, each in its environment."""
        found: dict[str, str] = {}
        for contender in self._contenders:
            found |= self._of(contender).call("versions", packages=list(contender.packages))
        return found

    def _of(self, contender: Contender) -> Child:
        return self._children[contender.module]
