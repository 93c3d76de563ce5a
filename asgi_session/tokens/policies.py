"""What a verifier demands of claims and of keys: frozen values with safe defaults."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..exceptions import Problem

MAX_LEEWAY = 60.0
MAX_KEY_AGE = 600.0


@dataclass(frozen=True, slots=True)
class ClaimsPolicy:
    """What is asked of a token's claims beyond issuer and audience."""

    leeway: float = 30.0
    """How far the issuer's clock may differ from ours, seconds; 60 at most (JW-10)."""
    max_lifetime: float = 24 * 3600.0
    """A token that expires later than this from now is refused, seconds (JW-10)."""
    required: Sequence[str] = ()
    """Claims that have to be there besides ``iss``, ``sub``, ``aud``, ``exp`` and ``iat``, which always have."""
    accept_untyped: bool = False
    """Also take tokens that don't say that they are access tokens: neither header ``typ: at+jwt`` (RFC 9068) nor payload
    ``typ: Bearer`` (Keycloak). Some providers send such; the danger is that an ID token of theirs looks the same, so give the
    API an audience of its own."""

    def problems(self, field: str = "claims") -> list[Problem]:
        """Every mistake in this policy; ``field`` is what the user called it."""
        found = [
            *_out_of_range(f"{field}.leeway", self.leeway, 0, MAX_LEEWAY),
            *_out_of_range(f"{field}.max_lifetime", self.max_lifetime, 1, 366 * 24 * 3600.0),
        ]
        if not is_list_of_names(self.required):
            found.append(Problem(f"{field}.required", "is not a list of claim names.", 'Pass a tuple such as ("azp",).'))
        return found


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How long an issuer's keys are believed, and how they may be fetched."""

    max_age: float = 600.0
    """A key that the issuer withdrew stops verifying within this time, seconds; 600 at most (JW-23)."""
    stale_ceiling: float = 3600.0
    """How long the last good keys serve while the issuer can't be reached, seconds since they were fetched (JW-24)."""
    cooldown: float = 30.0
    """At most one fetch in this many seconds because a token named an unknown key, however many such tokens come (JW-22)."""
    fetch_timeout: float = 5.0
    """Deadline of one refresh as a whole, seconds."""
    insecure_http: bool = False
    """Fetch over plain http too, for development: whoever sits on the wire can then sign tokens."""

    def problems(self, field: str = "keys") -> list[Problem]:
        """Every mistake in this policy; ``field`` is what the user called it."""
        found = [
            *_out_of_range(f"{field}.max_age", self.max_age, 1, MAX_KEY_AGE),
            *_out_of_range(f"{field}.stale_ceiling", self.stale_ceiling, 1, 24 * 3600.0),
            *_out_of_range(f"{field}.cooldown", self.cooldown, 1, 3600.0),
            *_out_of_range(f"{field}.fetch_timeout", self.fetch_timeout, 0.01, 30.0),
        ]
        if not found and self.stale_ceiling < self.max_age:
            found.append(Problem(f"{field}.stale_ceiling", "is below max_age.", "Give it at least the value of max_age."))
        return found


def is_list_of_names(value: object) -> bool:
    """Whether ``value`` is a list (or tuple, or set) of strings, none of them empty; a lone string is not."""
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) and name for name in value)


def _out_of_range(field: str, value: object, low: float, high: float) -> list[Problem]:
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return []
    return [Problem(field, f"is {value!r}.", f"Give it seconds between {low:g} and {high:g}.")]
