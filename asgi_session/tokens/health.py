"""How an issuer's keys are: for metrics and readiness."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeysHealth:
    """A moment's view of an issuer's keys."""

    keys: int
    age: float | None = None
    """Seconds since the set was fetched; None: there is none, or it does not age."""
    generation: int = 0
    """Grows with every change of the set."""
    last_error: str | None = None
    """Code of the last attempt to fetch, if that failed."""
    fetches: int = 0
    failures: int = 0
    stale_uses: int = 0
    """Uses of a set older than ``max_age`` because the issuer could not be reached."""
