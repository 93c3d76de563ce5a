"""The contenders of one benchmark, hosted in worker processes: one for each library."""

import contextlib
from collections.abc import Sequence
from itertools import zip_longest
from typing import Self

from benchmarks.children import Child
from benchmarks.driver import Round
from benchmarks.lab import Lab, as_arguments
from benchmarks.registry import Contender


class ContenderFailed(RuntimeError):
    """A contender answered something else than it has to: its numbers would mean nothing."""


class Hosts(contextlib.ExitStack):
    """Workers with all contenders open; leaving it closes them."""

    def __init__(self, lab: Lab, contenders: Sequence[Contender], visitors: int, *, size: int = 0) -> None:
        super().__init__()
        self._lab = lab
        self._size = size
        self._contenders = contenders
        self._visitors = visitors
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        tokens = self._visitors if any(contender.tokens for contender in self._contenders) else 0
        site = as_arguments(self._lab.site(tokens=tokens, size=self._size))
        waiting: dict[str, list[Contender]] = {}
        for contender in self._contenders:
            waiting.setdefault(contender.module, []).append(contender)
        for module, contenders in waiting.items():
            child = self._lab.child("benchmarks.hosting:Host", contenders[0].environment)
            self._children[module] = self.enter_context(child)
        for turn in zip_longest(*waiting.values()):  # one of each worker, so that they start side by side
            opening = [contender for contender in turn if contender is not None]
            self._lab.step(f"opening {', '.join(contender.name for contender in opening)}")
            for contender in opening:
                self._of(contender).tell("open", name=contender.name, site=site, visitors=self._visitors)
            for contender in opening:
                self._of(contender).answer()
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

    def log_in_at_once(self, contender: Contender, visitors: int, in_flight: int) -> tuple[list[float], list[str]]:
        """Milliseconds of each login that succeeded, and what went wrong with the others."""
        child = self._of(contender)
        done = child.call("log_in_at_once", name=contender.name, visitors=visitors, in_flight=in_flight)
        return done["latencies"], done["failures"]

    def garbage(self, contender: Contender, requests: int) -> float:
        """Objects that one request leaves to the cycle collector."""
        return float(self._of(contender).call("garbage", name=contender.name, requests=requests))

    def versions(self) -> dict[str, str]:
        """Of the contenders' packages, each in its environment."""
        found: dict[str, str] = {}
        for contender in self._contenders:
            found |= self._of(contender).call("versions", packages=list(contender.packages))
        return found

    def _of(self, contender: Contender) -> Child:
        return self._children[contender.module]
