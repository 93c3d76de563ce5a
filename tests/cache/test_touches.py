"""Idle timeouts that are slid behind the requests: together, bounded, and only ever lost to the disadvantage of the session."""

import asyncio
from collections.abc import Sequence

import pytest

from asgi_session import StoreUnavailable
from asgi_session.cache import touches
from asgi_session.cache.touches import TouchQueue
from asgi_session.ids import StoreKey
from tests.cache.parts import a_key
from tests.support.stores import Gate


class Store:
    """Notes what is touched together."""

    def __init__(self) -> None:
        self.batches: list[list[StoreKey]] = []
        self.failing = False
        self.gate: Gate | None = None

    async def touch(self, keys: Sequence[StoreKey]) -> None:
        if self.gate is not None:
            await self.gate.pass_through()
        if self.failing:
            raise StoreUnavailable("down")
        self.batches.append(list(keys))

    @property
    def touched(self) -> list[StoreKey]:
        return [key for batch in self.batches for key in batch]


@pytest.fixture
def store() -> Store:
    """One that takes all touches at once."""
    return Store()


@pytest.fixture(autouse=True)
def gather_no_longer_than_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no test waits for the clock."""
    monkeypatch.setattr(touches, "GATHER", 0.0)


async def flushed(queue: TouchQueue) -> None:
    """Wait until the queue has nothing under way."""
    assert queue._flushing is not None
    await queue._flushing


async def test_touches_leave_together(store: Store) -> None:
    """What falls due within a moment is one trip, and a session is in it once."""
    queue, keys = TouchQueue(store), [a_key() for _ in range(10)]
    for key in [*keys, *keys]:
        queue.add(key)
    await flushed(queue)
    assert store.batches == [keys]


async def test_a_queue_that_is_empty_begins_again(store: Store) -> None:
    """With the next touch."""
    queue, one, two = TouchQueue(store), a_key(), a_key()
    queue.add(one)
    await flushed(queue)
    queue.add(two)
    await flushed(queue)
    assert store.batches == [[one], [two]]


async def test_a_thousand_do_not_leave_at_once(store: Store) -> None:
    """The store's connection is there for requests; touches go one batch after the other."""
    queue, keys = TouchQueue(store), [a_key() for _ in range(1000)]
    for key in keys:
        queue.add(key)
    await flushed(queue)
    assert store.touched == keys
    assert max(map(len, store.batches)) <= touches.TOGETHER


async def test_a_full_queue_gives_up_the_oldest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """And counts them: those sessions end earlier than they might, never later."""
    monkeypatch.setattr(touches, "MAX_WAITING", 100)
    queue, keys = TouchQueue(store), [a_key() for _ in range(103)]
    for key in keys:
        queue.add(key)
    await flushed(queue)
    assert store.touched == keys[3:]
    assert queue.dropped == 3


async def test_a_store_that_is_down_takes_none(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """They are given up, counted and told once a batch; the next ones are tried again."""
    queue = TouchQueue(store)
    store.failing = True
    for _ in range(3):
        queue.add(a_key())
    await flushed(queue)
    assert queue.dropped == 3
    assert [record.message for record in caplog.records] == ["up to 3 idle timeouts were not slid: down"]
    store.failing = False
    queue.add(a_key())
    await flushed(queue)
    assert len(store.touched) == 1


@pytest.mark.security("AV-10")
async def test_stop_sends_what_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, without gathering any longer."""
    monkeypatch.setattr(touches, "GATHER", 60.0)
    queue, key = TouchQueue(store), a_key()
    queue.add(key)
    await asyncio.sleep(0)
    await queue.stop()
    assert store.touched == [key]
    await queue.stop()


async def test_stop_loses_none_that_is_under_way(store: Store) -> None:
    """What may or may not have arrived is sent again; to slide twice does no harm."""
    queue, key = TouchQueue(store), a_key()
    store.gate = gate = Gate()
    queue.add(key)
    await gate.reached.wait()
    gate.opened.set()
    store.gate = None
    await queue.stop()
    assert key in store.touched


async def test_stop_without_a_start(store: Store) -> None:
    """Nothing was touched, nothing is sent."""
    queue = TouchQueue(store)
    await queue.start()
    await queue.stop()
    assert store.batches == []


def test_another_event_loop_takes_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Touches that were waiting when the loop was left go with the next ones."""
    queue, one, two = TouchQueue(store), a_key(), a_key()
    left = asyncio.new_event_loop()

    async def add(key: StoreKey) -> None:
        queue.add(key)

    left.run_until_complete(add(one))
    abandoned = queue._flushing

    async def go_on() -> None:
        queue.add(two)
        await flushed(queue)

    asyncio.run(go_on())
    assert store.touched == [one, two]
    assert abandoned is not None
    left.run_until_complete(abandoned)
    left.close()
