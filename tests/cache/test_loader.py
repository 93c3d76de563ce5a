"""One load for all who ask at the same time, and never one that began before what they must see."""

import asyncio

import pytest

from asgi_session import StoreError, StoreUnavailable
from asgi_session.cache.loader import SessionLoader
from asgi_session.ids import StoreKey
from asgi_session.record import EMPTY, Draft, Record
from tests.cache.parts import HERE, Shelf, a_key, ended, settle
from tests.flows.test_garbage import cycles_of
from tests.support.stores import Gate, WatchedStore


class Desk:
    """A loader between a cache and a store that can be held back."""

    def __init__(self, *, cached: bool = True) -> None:
        self.store = WatchedStore()
        self.shelf = Shelf()
        self.loader = SessionLoader(self.store, self.shelf.cache if cached else None, touch_after=60.0)

    async def session(self) -> Record:
        """One that is in the store."""
        return await self.store.create(a_key("ann"), Draft("ann", 3600.0, 3600.0, {"a": b"1"}, EMPTY))  # type: ignore[arg-type]

    def ask(self, key: StoreKey, credential: str = "credential") -> "asyncio.Task[Record | None]":
        """A request that needs the session."""
        return asyncio.ensure_future(self._answer(key, credential))

    async def _answer(self, key: StoreKey, credential: str) -> Record | None:
        snapshot = await self.loader.load(key, credential)
        return snapshot.record if snapshot is not None else None

    def hold(self) -> Gate:
        """From now on, loads wait at this gate; those that wait at an earlier one stay there."""
        gate = self.store.gates["load"] = Gate()
        return gate


@pytest.fixture
def desk() -> Desk:
    """A loader with nothing under way."""
    return Desk()


async def test_who_asks_at_the_same_time_shares_a_load(desk: Desk) -> None:
    """A hundred requests, one call of the store, one answer for all."""
    session = await desk.session()
    gate = desk.hold()
    asking = [desk.ask(session.key) for _ in range(100)]
    await gate.reached.wait()
    gate.opened.set()
    records = await asyncio.gather(*asking)
    assert desk.store.calls["load"] == 1
    assert {record.data["a"] for record in records if record} == {b"1"}
    assert desk.shelf.holds("credential")


async def test_what_is_decoded_for_the_request_is_what_is_kept(desk: Desk) -> None:
    """Once, for all who wait and all who come later."""
    session = await desk.session()
    gate = desk.hold()
    asking = [asyncio.ensure_future(desk.loader.load(session.key, "credential")) for _ in range(2)]
    await gate.reached.wait()
    gate.opened.set()
    one, other = await asyncio.gather(*asking)
    entry = desk.shelf.cache.get("credential", 0.0)
    assert entry is not None
    assert one is other is entry.snapshot


async def test_different_sessions_do_not_wait_for_each_other(desk: Desk) -> None:
    """Each has a load of its own."""
    one, other = await desk.session(), await desk.session()
    await asyncio.gather(desk.ask(one.key), desk.ask(other.key))
    assert desk.store.calls["load"] == 2


@pytest.mark.security("LC-08", "LC-09")
async def test_nobody_joins_a_load_from_before_the_news(desk: Desk) -> None:
    """Who asks after a logout was told is told so, though an older load of the same session is still under way."""
    session = await desk.session()
    gate = desk.hold()
    before = desk.ask(session.key)
    await gate.reached.wait()
    del desk.store.gates["load"]
    stale = await desk.store.load(session.key)  # what the held load has read already
    await desk.store.destroy(session.key)
    desk.shelf.link.tell(ended(session.key))
    after = await desk.ask(session.key)
    gate.opened.set()
    await before
    assert (stale is not None, after) == (True, None)
    assert not desk.shelf.holds("credential") or desk.shelf.cache.get("credential", 0.0).snapshot is None  # type: ignore[union-attr]


async def test_those_who_ask_after_the_news_share_a_load_again(desk: Desk) -> None:
    """One load per piece of news, not one per request."""
    session = await desk.session()
    first = desk.hold()
    early = [desk.ask(session.key) for _ in range(3)]
    await first.reached.wait()
    desk.shelf.link.tell(ended(session.key))
    second = desk.hold()
    late = [desk.ask(session.key) for _ in range(3)]
    await second.reached.wait()
    first.opened.set()
    await asyncio.gather(*early)
    late.append(desk.ask(session.key))  # the end of the older load must not hide the newer one
    await settle()
    second.opened.set()
    await asyncio.gather(*late)
    assert desk.store.calls["load"] == 2


async def test_loads_are_shared_also_while_the_link_is_cut(desk: Desk) -> None:
    """Nothing is kept, but a page with a hundred images is still one load at a time: a cut link makes no stampede."""
    session = await desk.session()
    desk.shelf.link.lease(session.key.bucket).revoke()
    gate = desk.hold()
    asking = [desk.ask(session.key) for _ in range(100)]
    await gate.reached.wait()
    gate.opened.set()
    await asyncio.gather(*asking)
    assert desk.store.calls["load"] == 1
    assert not desk.shelf.holds("credential")


async def test_without_a_cache_everybody_asks_alone() -> None:
    """No news reach us then, so no answer may be older than its question."""
    desk = Desk(cached=False)
    session = await desk.session()
    await asyncio.gather(*(desk.ask(session.key) for _ in range(3)))
    assert desk.store.calls["load"] == 3


@pytest.mark.security("AV-02")
async def test_an_outage_is_told_to_all_who_wait(desk: Desk) -> None:
    """And remembered by nobody: the next one asks again."""
    session = await desk.session()
    gate = desk.hold()
    desk.store.lost_replies["load"] = StoreUnavailable("down")
    asking = [desk.ask(session.key) for _ in range(3)]
    await gate.reached.wait()
    gate.opened.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == 3 * [StoreUnavailable]
    assert desk.store.calls["load"] == 1
    desk.store.lost_replies.clear()
    assert await desk.ask(session.key) is not None


async def test_a_failure_leaves_no_cycle(desk: Desk) -> None:
    """The error that all who wait are told holds none of them."""
    session = await desk.session()

    async def outage() -> None:
        gate = desk.hold()
        desk.store.lost_replies["load"] = StoreUnavailable("down")
        asking = [desk.ask(session.key) for _ in range(3)]
        await gate.reached.wait()
        gate.opened.set()
        await asyncio.wait(asking)
        desk.store.lost_replies.clear()
        assert [str(request.exception()) for request in asking] == 3 * ["down"]

    assert await cycles_of(outage) == []


async def test_a_failure_that_nobody_waits_for_is_not_complained_about(desk: Desk) -> None:
    """Who joined is gone; warnings are errors here."""
    session = await desk.session()
    gate = desk.hold()
    desk.store.lost_replies["load"] = StoreError("broken")
    first, second = desk.ask(session.key), desk.ask(session.key)
    await gate.reached.wait()
    second.cancel()
    await settle()
    gate.opened.set()
    with pytest.raises(StoreError, match="broken"):
        await first
    assert second.cancelled()


async def test_a_cancelled_request_leaves_the_load_to_the_others(desk: Desk) -> None:
    """Where the one who asked first goes, one of the others asks again, for all of them."""
    session = await desk.session()
    gate = desk.hold()
    first, *others = (desk.ask(session.key) for _ in range(100))
    await gate.reached.wait()
    first.cancel()
    await settle()
    gate.opened.set()
    assert None not in await asyncio.gather(*others)
    assert first.cancelled()
    assert desk.store.calls["load"] == 2


async def test_nobody_rides_on_a_load_that_was_not_judged(desk: Desk) -> None:
    """What the store said is kept for no context, until the full tier has accepted it in one."""
    session = await desk.session()
    snapshot = await desk.loader.load(session.key, "credential")
    entry = desk.shelf.cache.get("credential", desk.shelf.clock.steady)
    assert snapshot is not None
    assert entry is not None
    assert entry.context is None
    desk.loader.trust("credential", snapshot, HERE)
    assert entry.context == HERE


@pytest.mark.security("AV-10")
async def test_a_load_ends_with_its_request(desk: Desk) -> None:
    """No task is left where nobody waits any more, and nothing that a later request would join."""
    session = await desk.session()
    gate = desk.hold()
    before = asyncio.all_tasks()
    asking = desk.ask(session.key)
    await gate.reached.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert asyncio.all_tasks() == before
    desk.store.gates.clear()
    async with asyncio.timeout(5):  # who joined what has ended would wait for ever
        assert await desk.ask(session.key) is not None


def test_a_load_of_another_event_loop_is_not_waited_for(desk: Desk) -> None:
    """Test clients start a loop per request; one that was left in the middle may never go on."""
    left = asyncio.new_event_loop()
    session = left.run_until_complete(desk.session())
    gate = desk.hold()

    async def begin() -> "asyncio.Task[Record | None]":
        asking = desk.ask(session.key)
        await gate.reached.wait()
        return asking

    async def go_on() -> Record | None:
        desk.store.gates.clear()
        return await desk.ask(session.key)

    asking = left.run_until_complete(begin())
    assert asyncio.run(go_on()) is not None
    left.call_soon(gate.opened.set)
    assert left.run_until_complete(asking) is not None
    left.close()
