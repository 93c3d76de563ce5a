"""Who makes the request: ``scope["user"]`` and ``scope["auth"]``, in Starlette's terms."""

from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser

from .tokens.base import VerifiedToken


class Principal(BaseUser):
    """A user who logged in, or whom a token names. Unchangeable: requests of one session may share it."""

    def __init__(self, identity: str, *, issuer: str | None = None, display_name: str | None = None) -> None:
        self.__dict__.update(_identity=identity, _display_name=display_name or identity, issuer=issuer)

    issuer: str | None
    """Who vouches for the identity; None where the application itself does. Users of two issuers are never the same."""
    _identity: str
    _display_name: str

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("A principal can't be changed: requests share it. Use request.state for what belongs to one.")

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """What to call the user; nothing to decide by."""
        return self._display_name

    @property
    def identity(self) -> str:
        """The user's id: as it was given to ``login``, or the token's subject, unique for its ``issuer`` only."""
        return self._identity

    def __repr__(self) -> str:
        return f"Principal(issuer={self.issuer!r})"


def _credentials(*scopes: str) -> AuthCredentials:
    credentials = AuthCredentials()
    credentials.scopes = scopes  # type: ignore[assignment]  # shared between requests, so nothing that one of them could append to
    return credentials


ANONYMOUS = UnauthenticatedUser()
NO_CREDENTIALS = _credentials()
LOGGED_IN = _credentials("authenticated")


def of_token(token: VerifiedToken) -> tuple[Principal, AuthCredentials]:
    """The principal of a verified token; its scopes and roles go to ``auth`` (``VerifiedToken.permissions``)."""
    principal = Principal(token.subject, issuer=token.issuer, display_name=token.display_name)
    return principal, _credentials("authenticated", *(name for name in token.permissions if name != "authenticated"))
