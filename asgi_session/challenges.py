"""``WWW-Authenticate`` for bearer tokens (RFC 6750 §3), for the middleware and for handlers that demand more than it checks."""

import re

REALM = "api"

# RFC 6750 §3: what error_description and scope may hold
_NOT_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_NOT_SCOPE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def no_credentials() -> str:
    """For a 401 to a request that presented nothing: no error, as there was none."""
    return f'Bearer realm="{REALM}"'


def invalid_request(description: str) -> str:
    """For a 400: the Authorization header itself is malformed or doubled."""
    return _challenge("invalid_request", description)


def invalid_token(description: str) -> str:
    """For a 401: the token is expired, revoked, malformed or not ours."""
    return _challenge("invalid_token", description)


def insufficient_scope(*scopes: str) -> str:
    """For a 403: the token is good, but lacks these scopes."""
    wanted = _NOT_SCOPE.sub("?", " ".join(scopes))
    return f'{_challenge("insufficient_scope", "The token lacks a scope.")}, scope="{wanted}"'


def insufficient_user_authentication(description: str) -> str:
    """For a 401: the session is good, but this client has to log in itself (RFC 9470 §3)."""
    return _challenge("insufficient_user_authentication", description)


def _challenge(error: str, description: str) -> str:
    text = _NOT_DESCRIPTION.sub("?", description)[:256]
    return f'Bearer realm="{REALM}", error="{error}", error_description="{text}"'
