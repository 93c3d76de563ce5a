"""Attacks are tried on every store."""

import pytest

from asgi_session import SessionStore
from tests.support.backends import EVERY_STORE, store_named


@pytest.fixture(params=EVERY_STORE)
def store(request: pytest.FixtureRequest) -> SessionStore | str:
    """An empty store of each kind."""
    return store_named(request)
