"""The contract of every store, put together from its parts."""

from .changes import ChangesContract
from .concurrency import ConcurrencyContract
from .expiry import ExpiryContract
from .identity import IdentityContract
from .steps import StepsContract


class StoreContract(StepsContract, ChangesContract, IdentityContract, ExpiryContract, ConcurrencyContract):
    """What :class:`asgi_session.SessionStore` promises. See ``asgi_session.testing`` for how to run it."""
