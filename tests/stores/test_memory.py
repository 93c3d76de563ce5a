"""The memory store: the contract, and what only it does."""

from collections.abc import AsyncIterator

import pytest

from asgi_session import SessionCap
from asgi_session.cache.link import Invalidation
from asgi_session.ids import StoreKey
from asgi_session.record import Changes, Draft, Record
from asgi_session.stores.base import SessionStore
from asgi_session.stores.memory import REVOKED_IS_LISTED, MemoryStore
from asgi_session.testing import MaintenanceContract, ManualClock, StoreContract, TouchesContract, UserSessionsContract
from asgi_session.testing.base import facts, fresh_key
from tests.support.site import Browser, sessions, visiting

DAY = 24 * 3600.0


@pytest.mark.security("ST-14")
class TestMemoryStore(StoreContract, UserSessionsContract, TouchesContract, MaintenanceContract):
    """The contract, on a clock that the tests move."""

    time_unit = 60.0

    @pytest.fixture
    async def store(self) -> AsyncIterator[SessionStore]:
        self.clock = ManualClock()
        store = MemoryStore(clock=self.clock)
        await store.start()
        yield store
        await store.stop()

    async def elapse(self, store: SessionStore, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def clock() -> ManualClock:
    """The time of the test's store."""
    return ManualClock()


async def make(
    store: MemoryStore, user_id: str | None = None, *, idle: float = DAY, absolute: float = DAY, replaces: StoreKey | None = None
) -> Record:
    """A session."""
    return await store.create(fresh_key(store, user_id), Draft(user_id, idle, absolute, {"a": b"1"}), replaces=replaces)


def test_a_store_without_room_is_a_problem() -> None:
    """A bound below 1 is said at start, not at the first session."""
    [problem] = MemoryStore(max_sessions=0).problems()
    assert problem.field == "store.max_sessions"
    assert MemoryStore(max_sessions=1).problems() == []


async def test_sessions_survive_a_restart_of_the_application() -> None:
    """An application may be started again in the same process."""
    store = MemoryStore()
    record = await make(store, "ann")
    await store.stop()
    await store.start()
    assert facts(await store.load(record.key)) == facts(record)


@pytest.mark.security("ST-12")
async def test_store_is_bounded(clock: ManualClock) -> None:
    """Beyond its bound, the anonymous session that was used least recently goes."""
    store = MemoryStore(max_sessions=3, clock=clock)
    first, second, third = [await make(store) for _ in range(3)]
    await store.load(first.key)
    await make(store)
    assert [await store.load(record.key) is not None for record in (first, second, third)] == [True, False, True]
    assert (await store.stats()).sessions == 3


@pytest.mark.security("ST-12")
async def test_a_flood_of_visitors_signs_nobody_out(clock: ManualClock) -> None:
    """Users' sessions stay while there is an anonymous one to drop, even the newest."""
    store = MemoryStore(max_sessions=2, clock=clock)
    users = [await make(store, name) for name in ("ann", "ben")]
    flood = [await make(store) for _ in range(10)]
    assert all([await store.load(record.key) for record in users])
    assert [await store.load(record.key) for record in flood] == [None] * 10
    await make(store, "cid")
    assert await store.load(users[0].key) is None
    assert len(await store.list_for_user("ben")) == len(await store.list_for_user("cid")) == 1


@pytest.mark.security("ST-12", "LC-09")
async def test_a_session_that_makes_room_is_served_no_more() -> None:
    """Nor from the cache: what the store dropped has ended."""
    async with visiting(sessions(store=MemoryStore(max_sessions=1))) as browser:
        await browser.get("/login?ann")
        assert (await browser.get("/who")).json()["user"] == "ann"
        await Browser(browser.app).get("/login?ben")
        assert (await browser.get("/who")).json()["user"] is None


@pytest.mark.security("ST-12", "LC-09")
async def test_it_is_told_what_made_room(clock: ManualClock) -> None:
    """To whoever listens, as any other end: the sockets of that session close."""
    store, news = MemoryStore(max_sessions=2, clock=clock), list[object]()
    store.link.listen(news.append)
    first, _, _ = [await make(store, "ann") for _ in range(3)]
    assert news == [Invalidation("ended", first.key.bucket, first.key.digest)]


@pytest.mark.security("LC-09", "LC-10")
async def test_a_revocation_is_told_even_of_what_is_not_there(clock: ManualClock) -> None:
    """Whoever listens may know a session that the store has dropped: an operator's word ends it there."""
    store, news = MemoryStore(clock=clock), list[object]()
    store.link.listen(news.append)
    key = fresh_key(store, "ann")
    assert await store.revoke(key) is False
    assert news == [Invalidation("ended", key.bucket, key.digest)]


async def test_expired_sessions_make_room_first(clock: ManualClock) -> None:
    """A live visitor is not dropped while an expired session still takes up room."""
    store = MemoryStore(max_sessions=2, clock=clock)
    await make(store, "ann", idle=10)
    visitor = await make(store)
    clock.advance(11)
    await make(store)
    assert await store.load(visitor.key) is not None


@pytest.mark.security("ST-12")
async def test_bookkeeping_is_bounded(clock: ManualClock) -> None:
    """Touches, revocations and logouts leave nothing behind that grows."""
    store = MemoryStore(clock=clock)
    record = await make(store, "ann")
    for turn in range(2000):
        clock.advance(1)
        await store.load(record.key, touch_after=1)
        await store.revoke_user(f"nobody {turn}")
        user = await make(store, f"user {turn}")
        await store.revoke_user(f"user {turn}")
        await store.destroy(user.key)
    held = {name: len(value) for name, value in vars(store).items() if hasattr(value, "__len__")}
    assert held.pop("namespace") > 0
    assert max(held.values()) < 100, held


async def test_a_list_is_bounded(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs in again and again gets a list of the newest."""
    monkeypatch.setattr("asgi_session.stores.memory.MAX_LISTED", 3)
    store = MemoryStore(clock=clock)
    made = [await make(store, "ann") for _ in range(7)]
    assert [record.key for record in await store.list_for_user("ann")] == [record.key for record in reversed(made[-3:])]


@pytest.mark.security("LC-11", "ST-12")
async def test_a_cap_looks_at_a_bounded_number_of_the_dead(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs in and ends the others again and again does not make each further login dearer for everybody."""
    monkeypatch.setattr("asgi_session.stores.memory.MAX_LISTED", 3)
    store = MemoryStore(clock=clock)
    for _ in range(20):
        draft = Draft("ann", DAY, DAY, cap=SessionCap(2))
        record = await store.create(fresh_key(store, "ann"), draft)
        await store.revoke_user("ann", keep=record.key)
    assert (await store.stats()).sessions <= 5
    assert [listed.revoked_at is None for listed in await store.list_for_user("ann")].count(True) == 1


@pytest.mark.security("PR-02")
async def test_new_sessions_take_away_what_has_expired(clock: ManualClock) -> None:
    """Far below the bound, too, and without anybody who cleans up: a few each time, until none is left."""
    store = MemoryStore(clock=clock)
    for number in range(1000):
        await make(store, f"user {number}" if number % 2 else None, idle=60)
    clock.advance(40 * DAY)
    for _ in range(200):
        before = (await store.stats()).sessions
        await make(store)
        assert (await store.stats()).sessions >= before - 10, "one request pays for all"
    assert (await store.stats()).sessions == 200


async def test_cleanup_says_how_much_went(clock: ManualClock) -> None:
    """It drops what has expired, and only that."""
    store = MemoryStore(clock=clock)
    for idle in (10, 10, 20):
        await make(store, idle=idle)
    clock.advance(15)
    assert await store.cleanup() == 2
    assert await store.cleanup() == 0
    assert (await store.stats()).sessions == 1


async def test_a_touched_session_is_not_cleaned_up(clock: ManualClock) -> None:
    """Its first deadline has passed, its present one hasn't."""
    store = MemoryStore(clock=clock)
    record = await make(store, idle=10)
    clock.advance(8)
    await store.load(record.key, touch_after=0)
    clock.advance(8)
    assert await store.cleanup() == 0
    assert await store.load(record.key) is not None


@pytest.mark.security("LC-03")
@pytest.mark.parametrize(("idle", "absolute"), [(100, 1000), (1000, 100)])
async def test_a_session_ends_to_the_second(clock: ManualClock, idle: float, absolute: float) -> None:
    """It is there a second before its timeout, and gone at the timeout."""
    store = MemoryStore(clock=clock)
    record = await make(store, "ann", idle=idle, absolute=absolute)
    clock.advance(99)
    assert await store.load(record.key) is not None
    clock.advance(1)
    assert await store.load(record.key) is None


@pytest.mark.security("LC-06")
async def test_a_clock_set_back_extends_nothing(clock: ManualClock) -> None:
    """Saving while the clock is behind moves neither deadline, and a touch does not happen."""
    store = MemoryStore(clock=clock)
    record = await make(store, "ann", idle=100, absolute=1000)
    clock.adjust(-60)
    touched = await store.load(record.key, touch_after=0)
    saved = await store.commit(record.key, Changes(set={"a": b"2"}))
    assert isinstance(saved, Record)
    assert touched is not None
    assert touched.deadline == saved.deadline == record.deadline
    clock.adjust(+60)
    clock.advance(100)
    assert await store.load(record.key) is None


@pytest.mark.security("LC-10")
async def test_revocation_holds_while_the_clock_is_behind(clock: ManualClock) -> None:
    """What was issued before a revocation is ended by it, what comes after lives, whatever the clock says."""
    store = MemoryStore(clock=clock)
    before = await make(store, "ann")
    clock.adjust(-3600)
    await store.revoke_user("ann")
    after = await make(store, "ann")
    assert await store.load(before.key) is None
    assert facts(await store.load(after.key)) == facts(after)


@pytest.mark.security("PR-02")
@pytest.mark.parametrize("how", ["revoke", "revoke_user"])
async def test_a_revoked_session_is_listed_for_a_day(clock: ManualClock, how: str) -> None:
    """Then it is forgotten, also where it could have lived for longer."""
    store = MemoryStore(clock=clock)
    record = await make(store, "ann", idle=10 * DAY, absolute=10 * DAY)
    await (store.revoke(record.key) if how == "revoke" else store.revoke_user("ann"))
    clock.advance(REVOKED_IS_LISTED - 1)
    [listed] = await store.list_for_user("ann")
    assert listed.revoked_at is not None
    clock.advance(2)
    assert list(await store.list_for_user("ann")) == []
