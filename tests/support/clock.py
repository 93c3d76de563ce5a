"""A clock that moves only when it is told to."""

from dataclasses import dataclass

DAY = 86_400.0


@dataclass
class StoppedClock:
    """Both times of the package."""

    wall: float = 1_800_000_000.0
    steady: float = 1000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.steady

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.steady += seconds
