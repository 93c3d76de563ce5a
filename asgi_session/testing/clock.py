"""A clock that a test moves."""


class ManualClock:
    """An :class:`asgi_session.clock.Clock` that stands still until the test says otherwise. Times are seconds."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never steps back."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: ``seconds`` is negative; time doesn't, but ``adjust`` can.
        """
        if seconds < 0:
            raise ValueError("Time does not pass backwards. Use adjust() for a wall clock that is set back.")
        self._now += seconds
        self._monotonic += seconds

    def adjust(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does; the monotonic time stays."""
        self._now += seconds
