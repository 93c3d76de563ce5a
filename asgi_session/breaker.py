"""Spares a dependency that does not answer, and whoever would wait for it (security row AV-04).

A breaker is *closed* while the dependency answers. After ``failures`` unanswered attempts in a row it is *open*: everything is
refused at once. When its time is over it is *half-open*: exactly one caller, the probe, is let through. The probe's answer closes
the breaker; its failure opens it again, for half as long again, up to ``longest``.

Only silence counts: a dependency that refuses something has answered.

Shared state: every attribute belongs to the event loop that uses the breaker; each method is one step without an ``await``. A probe
that never reports back (its loop ended) is given up after ``reset_after`` seconds, and another caller probes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from asgi_session.clock import SYSTEM_CLOCK, Clock
from asgi_session.exceptions import Problem, StoreUnavailable

State = Literal["closed", "open", "half-open"]

_GROWTH = 1.5
_JITTER = 0.2
"""Share of the waiting time that is left to chance, so that many processes do not probe a recovering server together."""


@dataclass(frozen=True, slots=True)
class BreakerStats:
    """What a breaker has seen since it was made."""

    state: State
    failures_in_a_row: int
    opened: int
    """How often it opened."""
    refused: int
    """How many callers it turned away."""


class CircuitBreaker:
    """Refuses work for a dependency that stays silent; lets one probe through when it may be back.

    Args:
        failures: so many in a row open it.
        reset_after: seconds until the first probe.
        longest: seconds between two probes at most, however often they fail.
        clock: only its monotonic time is read.
        chance: returns a number from 0 to below 1, for the jitter.
    """

    def __init__(
        self,
        failures: int = 5,
        reset_after: float = 2.0,
        longest: float = 5.0,
        clock: Clock = SYSTEM_CLOCK,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.failures = failures
        self.reset_after = reset_after
        self.longest = longest
        self._clock = clock
        self._chance = chance
        self._in_a_row = 0
        self._wait = reset_after
        self._barred_until: float | None = None  # None: closed
        self._probing = False
        self._opened = 0
        self._refused = 0

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the arguments."""
        found: list[Problem] = []
        if self.failures < 1:
            found.append(Problem("breaker.failures", f"is {self.failures}.", "Use 1 or more."))
        if self.reset_after <= 0:
            found.append(Problem("breaker.reset_after", f"is {self.reset_after} seconds.", "Use more than 0."))
        if self.longest < self.reset_after:
            found.append(
                Problem("breaker.longest", f"is {self.longest} seconds, less than reset_after.", "Use reset_after or more.")
            )
        return found

    def sibling(self) -> Self:
        """Another breaker, closed, with the same arguments: for another server of the same service."""
        return type(self)(self.failures, self.reset_after, self.longest, self._clock, chance=self._chance)

    @property
    def state(self) -> State:
        """``"half-open"`` from the moment when the next caller would be the probe until its answer is known."""
        if self._barred_until is None:
            return "closed"
        return "half-open" if self._probing or self.retry_after <= 0 else "open"

    @property
    def retry_after(self) -> float:
        """Seconds until somebody is let through; 0 when that is now."""
        if self._barred_until is None:
            return 0.0
        return max(0.0, self._barred_until - self._clock.monotonic())

    @property
    def stats(self) -> BreakerStats:
        """A snapshot for metrics and health pages."""
        return BreakerStats(self.state, self._in_a_row, self._opened, self._refused)

    def admit(self) -> None:
        """Lets the caller through, as the probe if the breaker is half-open.

        Whoever was let through owes one ``succeeded()`` or ``failed()``; callers whose work is one attempt owe one together.

        Raises:
            StoreUnavailable: refused; its ``retry_after`` says for how long.
        """
        if self._barred_until is None:
            return
        wait = self.retry_after
        if wait <= 0:
            self._probing = True
            self._bar(self.reset_after)
            return
        self._refused += 1
        raise StoreUnavailable("The store did not answer lately and is left alone for a while.", retry_after=wait)

    def succeeded(self) -> None:
        """The dependency answered."""
        self._in_a_row = 0
        if self._barred_until is not None:
            self._barred_until = None
            self._probing = False
            self._wait = self.reset_after

    def failed(self) -> None:
        """The dependency stayed silent."""
        self._in_a_row += 1
        if self._probing:
            self._wait = min(self._wait * _GROWTH, self.longest)
        elif self._barred_until is not None or self._in_a_row < self.failures:
            return  # an attempt that was under way when the breaker opened tells nothing new
        self._probing = False
        self._opened += 1
        self._bar(self._wait * (1 - _JITTER * self._chance()))

    def _bar(self, seconds: float) -> None:
        self._barred_until = self._clock.monotonic() + seconds
