"""What a user, and a user's session at the provider, are called: the one check of what the application is given."""

from .exceptions import SessionError

LONGEST_PROVIDER_SESSION = 255
"""Characters. Keycloak's are 36."""


def require_user_id(user_id: object) -> None:
    """Let a non-empty text pass. A number would find no sessions under its text, and nobody is called "".

    Raises:
        SessionError: it is none.
    """
    if not isinstance(user_id, str) or not user_id:
        what = "an empty text" if user_id == "" else f"of type {type(user_id).__name__}"
        raise SessionError(f"A user id has to be a non-empty text, and this one is {what}. Use str(user.id).")


def require_provider_session(name: object) -> None:
    """Let the provider's name for a session pass (``sid`` in OpenID Connect), or None.

    Raises:
        SessionError: it is no text, an empty one, or too long for every record.
    """
    if name is None or (isinstance(name, str) and 0 < len(name) <= LONGEST_PROVIDER_SESSION):
        return
    fix = f"Use the claim `sid` of the ID token: a text of 1 to {LONGEST_PROVIDER_SESSION} characters."
    raise SessionError(f"That can't be the name of a provider's session. {fix}")
