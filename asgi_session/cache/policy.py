"""How much is cached, and for how long; how often a session is validated in full."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..arguments import is_number, shown, texts
from ..exceptions import Problem
from ..fingerprint import FingerprintPolicy


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The bounds of the L1."""

    max_entries: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    """An estimate of the memory that entries may take together."""
    max_age: float = 30.0
    """Seconds after which an entry is loaded again, whatever the invalidation link says."""
    absent_age: float = 5.0
    """Seconds for which it is remembered that a session does not exist; 0 remembers nothing."""
    enabled: bool = True
    """False: each request asks the store."""

    def problems(self) -> list[Problem]:
        """Bounds that hold nothing, or too much for too long."""
        found = []
        for field in ("max_entries", "max_bytes"):
            if not isinstance(getattr(self, field), int) or getattr(self, field) < 1:
                fix = "Use a whole number from 1 up; or CachePolicy(enabled=False) to cache nothing."
                found.append(Problem(f"cache.{field}", f"is {shown(getattr(self, field))}.", fix))
        if not is_number(self.max_age, 0, 300) or self.max_age == 0:
            found.append(
                Problem("cache.max_age", f"{shown(self.max_age)} s is out of range.", "Use more than 0 and at most 300 s.")
            )
        if not is_number(self.absent_age, 0, 60):
            found.append(Problem("cache.absent_age", f"{shown(self.absent_age)} s is out of range.", "Use 0 to 60 s."))
        if not isinstance(self.enabled, bool):
            found.append(Problem("cache.enabled", f"is {shown(self.enabled)}.", "Write True or False."))
        return found


@dataclass(frozen=True, slots=True)
class ValidationPolicy:
    """When the quick tier is not enough: for sessions the full one asks the store, for JWTs it verifies signature and claims again.

    Without asking: where the request comes from another context than the one that was validated (network, user agent, accept
    headers, what browsers tell of the device, and whatever else ``fingerprint`` names), the full tier looks.
    """

    full_every: float = 60.0
    """Seconds after which a session or token that is in use is validated in full again. Beyond ``CachePolicy.max_age`` (30 s) it
    decides for tokens only, as a session is loaded again by then; beyond 300 s for nothing, as then a token is verified again."""
    always_full: str | Sequence[str] = ()
    """Paths whose requests, with a session or token, are always validated in full: ``"/account"`` exactly, ``"/admin/*"`` with
    everything below."""
    fingerprint: FingerprintPolicy | None = FingerprintPolicy()  # noqa: RUF009  # a frozen value
    """What a session remembers of the client for whom it was made, and what happens when the full tier finds another one. None:
    nothing is remembered or compared."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "always_full", tuple(map(str, texts(self.always_full))))

    def problems(self) -> list[Problem]:
        """Intervals and paths that mean nothing."""
        found = []
        if not is_number(self.full_every, 0, 3600):
            found.append(Problem("validation.full_every", f"{shown(self.full_every)} s is out of range.", "Use 0 to 3600 s."))
        for at, path in enumerate(self.always_full):
            if not path.startswith("/") or "*" in path.removesuffix("/*"):
                fix = 'Start it with "/", and use "*" only as the end "/*".'
                found.append(Problem(f"validation.always_full[{at}]", f"{shown(path)} is no path.", fix))
        if isinstance(self.fingerprint, FingerprintPolicy):
            found += self.fingerprint.problems()
        elif self.fingerprint is not None:
            found.append(Problem("validation.fingerprint", f"is {shown(self.fingerprint)}.", "Pass a FingerprintPolicy, or None."))
        return found
