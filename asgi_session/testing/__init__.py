"""What proves a store, for everybody who writes one. Needs pytest and anyio: ``pip install "asgi_session[testing]"``.

A store keeps the contract of ``asgi_session.stores.base`` if it passes this::

    import pytest
    from asgi_session.testing import ManualClock, StoreContract, UserSessionsContract
    from my_package import MyStore


    class TestMyStore(StoreContract, UserSessionsContract):
        @pytest.fixture
        async def store(self):
            self.clock = ManualClock()
            store = MyStore(clock=self.clock)
            await store.start()
            yield store
            await store.stop()

        async def elapse(self, store, seconds):
            self.clock.advance(seconds)

``StoreContract`` is what every store has to do. Add ``UserSessionsContract``, ``TouchesContract`` and ``MaintenanceContract`` for
the extra powers of that name, and ``StoredFormContract`` where sessions outlive the process. Without an ``elapse`` of its own, a
test really waits, for up to 40 times ``time_unit``.
"""

import pytest

_WITH_TESTS = ("cap", "changes", "concurrency", "expiry", "identity", "maintenance", "steps", "stored_form", "touches", "users")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _WITH_TESTS))

from .clock import ManualClock  # noqa: E402  # after the registration, so that a failed assert shows its values
from .contract import StoreContract  # noqa: E402
from .maintenance import MaintenanceContract  # noqa: E402
from .stored_form import StoredFormContract  # noqa: E402
from .touches import TouchesContract  # noqa: E402
from .users import UserSessionsContract  # noqa: E402

__all__ = ["MaintenanceContract", "ManualClock", "StoreContract", "StoredFormContract", "TouchesContract", "UserSessionsContract"]
