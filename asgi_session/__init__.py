"""Server-side sessions, token verification and shared rate limits for any ASGI app.

Read the package in a request's order: ``middleware`` → ``stages`` → ``transaction`` → ``stores``, ``tokens``, ``ratelimit``.
"""

from .cache.policy import CachePolicy, ValidationPolicy
from .client_address import TrustedProxies
from .csrf import CSRFPolicy
from .exceptions import (
    AsgiSessionError,
    ConfigurationError,
    KeysUnavailable,
    Problem,
    SessionCapReached,
    SessionClosed,
    SessionConflict,
    SessionError,
    SessionGone,
    SessionValueError,
    StoreError,
    StoreUnavailable,
    TokenError,
    TokenExpired,
    TokenInvalid,
)
from .fingerprint import FingerprintPolicy
from .lifetimes import Lifetimes
from .manager import SessionManager, StoredSession
from .middleware import SessionMiddleware
from .ratelimit.rules import FailureBudget, RateLimit
from .session import Session
from .session_cap import SessionCap
from .stores.base import SessionStore
from .tokens import JWTVerifier, VerifiedToken

__all__ = [
    "AsgiSessionError",
    "CSRFPolicy",
    "CachePolicy",
    "ConfigurationError",
    "FailureBudget",
    "FingerprintPolicy",
    "JWTVerifier",
    "KeysUnavailable",
    "Lifetimes",
    "Problem",
    "RateLimit",
    "Session",
    "SessionCap",
    "SessionCapReached",
    "SessionClosed",
    "SessionConflict",
    "SessionError",
    "SessionGone",
    "SessionManager",
    "SessionMiddleware",
    "SessionStore",
    "SessionValueError",
    "StoreError",
    "StoreUnavailable",
    "StoredSession",
    "TokenError",
    "TokenExpired",
    "TokenInvalid",
    "TrustedProxies",
    "ValidationPolicy",
    "VerifiedToken",
]
