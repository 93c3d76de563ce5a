"""What a user is called: the one check of whoever is given a user's id by the application."""

from .exceptions import SessionError


def require_user_id(user_id: object) -> None:
    """Let a non-empty text pass. A number would find no sessions under its text, and nobody is called "".

    Raises:
        SessionError: it is none.
    """
    if not isinstance(user_id, str) or not user_id:
        what = "an empty text" if user_id == "" else f"of type {type(user_id).__name__}"
        raise SessionError(f"A user id has to be a non-empty text, and this one is {what}. Use str(user.id).")
