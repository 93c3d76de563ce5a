"""The memory store against a model of a few dictionaries, in random order of steps and random passing of time."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from asgi_session.ids import StoreKey
from asgi_session.record import Changes, Conflict, Draft
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.moves import MOVED_FOR
from asgi_session.testing import ManualClock
from asgi_session.testing.base import fresh_key, key_beside
from tests.support.examples import examples

T = TypeVar("T")

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.binary(max_size=3)
USERS = st.sampled_from([None, "ann", "ben"])
SECONDS = st.integers(-5, 50)


@dataclass
class Expected:
    """What the store should know of a session."""

    user: str | None
    idle: float
    seen: float
    end: float
    version: int = 1
    data: dict[str, bytes] = field(default_factory=dict)
    revoked: bool = False

    def is_live(self, now: float) -> bool:
        """Whether it should be found."""
        return not self.revoked and now < min(self.seen + self.idle, self.end)


def at_once(step: Coroutine[Any, Any, T]) -> T:
    """The result of a step that has to be over without ever waiting: that is what makes it atomic."""
    try:
        step.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("The step waited for something.")


class MemoryStoreMachine(RuleBasedStateMachine):
    """Random steps, on the store and on the model."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(1_000_000.0)
        self.store = MemoryStore(clock=self.clock)
        self.model: dict[StoreKey, Expected] = {}
        self.moves: dict[StoreKey, tuple[StoreKey, float]] = {}

    @property
    def now(self) -> float:
        return self.clock.now()

    def live(self, key: StoreKey) -> Expected | None:
        """What the model has of a session, if it is live."""
        expected = self.model.get(key)
        return expected if expected is not None and expected.is_live(self.now) else None

    def where(self, key: StoreKey) -> StoreKey:
        """Where a session went whose id was regenerated within the last minute."""
        while key in self.moves and self.now < self.moves[key][1] + MOVED_FOR:
            key = self.moves[key][0]
        return key

    @rule(target=keys, user=USERS, idle=SECONDS, absolute=SECONDS, data=st.dictionaries(NAMES, VALUES))
    def create(self, user: str | None, idle: int, absolute: int, data: dict[str, bytes]) -> StoreKey:
        key = fresh_key(self.store, user)
        at_once(self.store.create(key, Draft(user, idle, absolute, data)))
        self.model[key] = Expected(user, idle, self.now, self.now + absolute, data=dict(data))
        return key

    @rule(target=keys, user=USERS, old=keys)
    def login(self, user: str | None, old: StoreKey) -> StoreKey:
        key = fresh_key(self.store, user)
        at_once(self.store.create(key, Draft(user, 30, 60), replaces=old))
        self.model.pop(self.where(old), None)
        self.model[key] = Expected(user, 30, self.now, self.now + 60)
        return key

    @rule(key=keys, touch_after=st.none() | st.integers(0, 20))
    def load(self, key: StoreKey, touch_after: int | None) -> None:
        expected = self.live(key)
        record = at_once(self.store.load(key, touch_after=touch_after))
        assert (record is None) == (expected is None)
        if expected is not None and touch_after is not None and self.now - expected.seen >= touch_after:
            expected.seen = self.now

    @rule(
        key=keys,
        values=st.dictionaries(NAMES, VALUES),
        remove=st.frozensets(NAMES),
        clear=st.booleans(),
        idle=st.none() | SECONDS,
        lifetime=st.none() | SECONDS,
        version=st.none() | st.integers(1, 4),
    )
    def commit(
        self,
        key: StoreKey,
        values: dict[str, bytes],
        remove: frozenset[str],
        clear: bool,
        idle: int | None,
        lifetime: int | None,
        version: int | None,
    ) -> None:
        changes = Changes(values, remove - values.keys(), clear, idle, lifetime, version)
        outcome = at_once(self.store.commit(key, changes))
        self.check_outcome(outcome, self.live(key), changes)

    @rule(target=keys, key=keys, values=st.dictionaries(NAMES, VALUES), version=st.none() | st.integers(1, 4))
    def regenerate(self, key: StoreKey, values: dict[str, bytes], version: int | None) -> StoreKey:
        new, expected = key_beside(key), self.live(key)
        changes = Changes(values, if_version=version)
        outcome = at_once(self.store.regenerate(key, new, changes, user_id=expected.user if expected else None))
        if self.check_outcome(outcome, expected, changes):
            self.model[new] = self.model.pop(key)
            self.moves[key] = (new, self.now)
        return new

    def check_outcome(self, outcome: object, expected: Expected | None, changes: Changes) -> bool:
        """Whether the store did what the model says; if it changed something, the model does so too."""
        if expected is None:
            assert outcome is None
            return False
        if changes.if_version not in (None, expected.version):
            assert isinstance(outcome, Conflict)
            return False
        kept = {} if changes.clear else {name: value for name, value in expected.data.items() if name not in changes.remove}
        expected.data = {**kept, **changes.set}
        expected.version += 1
        expected.seen = max(expected.seen, self.now)
        expected.idle = expected.idle if changes.idle_timeout is None else changes.idle_timeout
        expected.end = expected.end if changes.lifetime is None else self.now + changes.lifetime
        return True

    @rule(key=keys)
    def destroy(self, key: StoreKey) -> None:
        key, named = self.where(key), key
        assert at_once(self.store.destroy(named)) is (self.live(key) is not None)
        self.model.pop(key, None)

    @rule(key=keys)
    def revoke(self, key: StoreKey) -> None:
        expected = self.live(self.where(key))
        assert at_once(self.store.revoke(key)) is (expected is not None)
        if expected is not None:
            expected.revoked = True

    @rule(user=st.sampled_from(["ann", "ben"]), keep=st.none() | keys)
    def revoke_user(self, user: str, keep: StoreKey | None) -> None:
        kept = self.live(keep) if keep is not None else None
        done = keep is None or (kept is not None and kept.user == user)
        assert at_once(self.store.revoke_user(user, keep=keep)) is done
        if not done:
            return
        for key, expected in self.model.items():
            if expected.user == user and key != keep:
                expected.revoked = True

    @rule()
    def revoke_all(self) -> None:
        at_once(self.store.revoke_all())
        for expected in self.model.values():
            expected.revoked = True

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def cleanup(self) -> None:
        at_once(self.store.cleanup())

    @invariant()
    def the_store_agrees_with_the_model(self) -> None:
        for key in self.model:
            record, expected = at_once(self.store.load(key)), self.live(key)
            assert (record is None) == (expected is None)
            if record is not None and expected is not None:
                assert (record.user_id, dict(record.data), record.version) == (expected.user, expected.data, expected.version)
                assert record.deadline == min(expected.seen + expected.idle, expected.end)
        for user in ("ann", "ben"):
            listed = {record.key for record in at_once(self.store.list_for_user(user)) if record.revoked_at is None}
            assert listed == {key for key, expected in self.model.items() if expected.user == user and self.live(key)}


TestMemoryStoreModel = MemoryStoreMachine.TestCase
TestMemoryStoreModel.settings = settings(examples(50, stateful_step_count=40))
