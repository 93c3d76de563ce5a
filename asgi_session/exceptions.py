"""Every error that leaves the package.

    AsgiSessionError
    ├── ConfigurationError          the application is set up wrongly; lists every problem at once
    ├── SessionError                what a handler asked of its session can't be done
    │   ├── SessionValueError       a value isn't JSON, or the record would grow past its limit
    │   ├── SessionGone             the session ended while the handler worked with it
    │   ├── SessionConflict         another request changed the session first, and the handler asked to be told
    │   ├── SessionClosed           the response is already on its way: no cookie can be set any more
    │   └── SessionCapReached       the user has as many sessions as ``SessionCap`` allows, and it refuses another one
    ├── StoreError                  the store answered, and refused (a defect or a wrong set-up)
    │   └── StoreUnavailable        the store did not answer in time: says nothing about the session
    └── TokenError                  a bearer token was not accepted
        ├── TokenInvalid            whoever sent it must get another one
        │   └── TokenExpired        … because this one's time is over
        └── KeysUnavailable         the issuer's keys can't be had: says nothing about the token

Each class has a stable ``code`` (for logs, metrics and clients); the text is for people and may change.
No message ever holds a session id, a token, a secret or a value of the session (security row LG-01).
"""

from collections.abc import Sequence
from dataclasses import dataclass


class AsgiSessionError(Exception):
    """Root of all errors of the package."""

    code = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration, and what to do about it."""

    field: str
    """The argument that is wrong, as the user wrote it: ``"https_only"``, ``"rate_limits[0].key"``."""
    message: str
    """What is wrong."""
    fix: str
    """What to do instead."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message} {self.fix}"


class ConfigurationError(AsgiSessionError):
    """The application is set up wrongly. Raised by ``initialize`` with every problem found, never one at a time."""

    code = "configuration"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"asgi_session is not set up correctly, {count}:{lines}")


class SessionError(AsgiSessionError):
    """What a handler asked of its session can't be done."""

    code = "session"


class SessionValueError(SessionError, ValueError):
    """A value of the session can't be stored: not plain JSON, or too large. Names the key, never the value."""

    code = "session_value"


class SessionGone(SessionError):
    """The session ended (logout, revocation, expiry) while the handler worked with it; nothing was saved."""

    code = "session_gone"


class SessionConflict(SessionError):
    """Another request changed the session first; nothing was saved. Raised only where it was asked for."""

    code = "session_conflict"


class SessionClosed(SessionError):
    """The response has started, so the cookie that this step needs can't be sent any more."""

    code = "session_closed"


class SessionCapReached(SessionError):
    """The user has as many live sessions as ``SessionCap`` allows, and it says "refuse". Nothing has changed."""

    code = "session_cap_reached"


class StoreError(AsgiSessionError):
    """The store answered and refused. The cause is chained; its text may name keys, never ids."""

    code = "store"


class StoreUnavailable(StoreError):
    """The store did not answer in time, or is not able to serve. Says nothing about the session."""

    code = "store_unavailable"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which a client may try again."""


class TokenError(AsgiSessionError):
    """A bearer token was not accepted."""

    code = "token"


class TokenInvalid(TokenError):
    """The token is not good; its sender needs another one (RFC 6750 §3.1, ``invalid_token``)."""

    code = "token_invalid"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """Stable and of few values, for metrics and tests: ``"signature"``, ``"audience"``, ``"expired"``…"""


class TokenExpired(TokenInvalid):
    """The token was good once, and its signature still is; its time is over. Counts as no attempt (``FailureBudget``)."""

    code = "token_expired"


class KeysUnavailable(TokenError):
    """The issuer's keys can't be had just now. Says nothing about the token."""

    code = "keys_unavailable"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which a client may try again."""
