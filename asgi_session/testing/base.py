"""What the contracts share: what a test module supplies, and how a session is made."""

import asyncio
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

import pytest

from ..ids import StoreKey, new_session_id, random_bucket, store_key, user_bucket
from ..record import EMPTY, NO_METADATA, Draft, Record
from ..stores.base import SessionStore

Test = TypeVar("Test", bound=Callable[..., object])


def proves(*rows: str) -> Callable[[Test], Test]:
    """Notes the rows of docs/security.md that a test proves. No pytest mark: other projects would have to know it."""

    def note(test: Test) -> Test:
        test.security_rows = rows  # type: ignore[attr-defined]
        return test

    return note


class Contract:
    """The ground of all contracts. A test module gives ``store``, and says in ``elapse`` how time passes for it."""

    pytestmark: ClassVar = pytest.mark.anyio

    time_unit: ClassVar[float] = 0.1
    """Seconds. All timeouts of the tests are multiples of it, and each test takes less than one unit by itself."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Stores are asyncio's."""
        return "asyncio"

    @pytest.fixture
    def store(self) -> SessionStore:
        """The store under test: empty, started, and stopped afterwards. An async generator may be a fixture too."""
        raise NotImplementedError("Override the fixture `store`: it gives an empty, started store.")

    async def elapse(self, store: SessionStore, seconds: float) -> None:
        """Let ``seconds`` pass for ``store``. Waits, unless a store has a clock that can be moved."""
        del store
        await asyncio.sleep(seconds)

    async def pass_units(self, store: SessionStore, units: float) -> None:
        """Let some of the contract's time pass."""
        await self.elapse(store, units * self.time_unit)

    async def make(
        self,
        store: SessionStore,
        user_id: str | None = None,
        data: Mapping[str, bytes] = EMPTY,
        *,
        idle: float = 10,
        absolute: float = 30,
        metadata: Mapping[str, str] = NO_METADATA,
        replaces: StoreKey | None = None,
    ) -> Record:
        """A new session; its timeouts in units."""
        draft = Draft(user_id, idle * self.time_unit, absolute * self.time_unit, data, metadata)
        return await store.create(fresh_key(store, user_id), draft, replaces=replaces)


def fresh_key(store: SessionStore, user_id: str | None = None) -> StoreKey:
    """Where a new session of ``user_id`` goes, as the package chooses it."""
    bucket = random_bucket() if user_id is None else user_bucket(user_id, store.namespace)
    return store_key(new_session_id(bucket))


def facts(record: Record | None) -> Mapping[str, object]:
    """What a record says, to compare two of them; nothing where there is none.

    Its times are counted from its birth, and its place in the order of issue is left out, so that a store's time may also pass
    by making its records older.
    """
    if record is None:
        return {}
    times = {
        name: None if (time := getattr(record, name)) is None else round(time - record.created_at, 3)
        for name in ("last_seen_at", "expires_at", "authenticated_at", "revoked_at", "slid_from")
    }
    rest = {name: getattr(record, name) for name in ("key", "user_id", "idle_timeout", "version")}
    return {**times, **rest, "metadata": dict(record.metadata), "data": dict(record.data)}


def key_beside(key: StoreKey) -> StoreKey:
    """Another place in the bucket of ``key``, as for a new id of its session."""
    return store_key(new_session_id(key.bucket))
