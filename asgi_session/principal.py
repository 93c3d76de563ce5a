"""Who makes the request: ``scope["user"]`` and ``scope["auth"]``, in Starlette's terms."""

from typing import TYPE_CHECKING, NoReturn

from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session
    from .tokens.base import VerifiedToken


class _Shared:
    """Refuses attributes: what one request assigned would be seen by all others, and could be a privilege."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} can't be set here: requests share it. Use request.state for what belongs to one.")


class Principal(_Shared, BaseUser):
    """A user who logged in, or whom a token names. Unchangeable: requests of one session may share it."""

    def __init__(self, identity: str, *, issuer: str | None = None, display_name: str | None = None) -> None:
        self.__dict__.update(_identity=identity, _display_name=display_name or identity, issuer=issuer)

    issuer: str | None
    """Who vouches for the identity; None where the application itself does. Users of two issuers are never the same."""
    _identity: str
    _display_name: str

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


class Stranger(_Shared, UnauthenticatedUser, AuthCredentials):
    """Nobody known, and what nobody may do: user and credentials in one, as one is made for each request of nobody's.

    A response for which a handler looked (``requires`` does) would be another one for who is known: it depends on the cookie.
    """

    __slots__ = ("_session",)

    _session: "Session"

    @property
    def is_authenticated(self) -> bool:
        """False."""
        self._session.accessed = True
        return False

    @property
    def display_name(self) -> str:
        """Nothing."""
        self._session.accessed = True
        return ""

    @property
    def identity(self) -> str:
        """Nothing."""
        self._session.accessed = True
        return ""

    @property
    def scopes(self) -> tuple[str, ...]:  # type: ignore[override]
        """None."""
        self._session.accessed = True
        return ()


_new = object.__new__
_set_session: "Callable[[Stranger, Session], None]" = Stranger.__dict__["_session"].__set__


def stranger(session: "Session") -> Stranger:
    """Who makes a request that is nobody's."""
    nobody = _new(Stranger)  # past the __init__ of the credentials, which sets scopes
    _set_session(nobody, session)
    return nobody


class _Credentials(_Shared, AuthCredentials):
    """What its bearer may do."""

    def __init__(self, *scopes: str) -> None:
        self.__dict__["scopes"] = scopes  # not a list, to which a request could append


LOGGED_IN = _Credentials("authenticated")


def of_token(token: "VerifiedToken") -> tuple[Principal, AuthCredentials]:
    """The principal of a verified token; its scopes and roles go to ``auth`` (``VerifiedToken.permissions``)."""
    principal = Principal(token.subject, issuer=token.issuer, display_name=token.display_name)
    return principal, _Credentials("authenticated", *(name for name in token.permissions if name != "authenticated"))
