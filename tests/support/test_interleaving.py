"""The harness of the races finds what it is there to find."""

import asyncio

import pytest

from asgi_session.record import EMPTY, Changes, Draft
from asgi_session.stores.memory import MemoryStore
from asgi_session.testing.base import fresh_key
from tests.support.interleaving import Schedule, SteppedStore, explore


async def test_every_order_is_tried_once() -> None:
    """Two actors with two gates each: six orders, all different."""
    orders: set[tuple[str, ...]] = set()

    async def scenario(schedule: Schedule) -> None:
        async def act() -> None:
            await schedule.gate("first")
            await schedule.gate("second")

        await schedule.run({"a": act, "b": act})
        orders.add(tuple(schedule.order))

    assert await explore(scenario) == len(orders) == 6


@pytest.mark.parametrize(("at_most", "run"), [(4, 4), (6, 6), (7, 6)])
async def test_a_sample_has_no_order_twice(at_most: int, run: int) -> None:
    """So many of the six as were asked for, the same ones each time; all of them where that is enough."""
    samples: list[list[tuple[str, ...]]] = [[], []]
    for orders in samples:

        async def scenario(schedule: Schedule, orders: list[tuple[str, ...]] = orders) -> None:
            async def act() -> None:
                await schedule.gate("first")
                await schedule.gate("second")

            await schedule.run({"a": act, "b": act})
            orders.append(tuple(schedule.order))

        assert await explore(scenario, at_most=at_most) == run
    assert samples[0] == samples[1]
    assert len(set(samples[0])) == run


async def test_somebody_who_comes_later_has_a_turn_like_all() -> None:
    """An actor that one of the others brings along can go on before that one does, or after."""
    orders: list[str] = []

    async def scenario(schedule: Schedule) -> None:
        async def late() -> None:
            await schedule.gate("late")

        async def act() -> None:
            await schedule.gate("first")
            schedule.join("b", late)
            await schedule.gate("second")

        await schedule.run({"a": act})
        orders.append(" | ".join(schedule.order))

    assert await explore(scenario) == 2
    assert orders == ["a first | a second | b late", "a first | b late | a second"]


async def test_a_lost_update_is_found() -> None:
    """A read and a write that are two steps lose one of two changes in some order, and the error tells in which."""

    async def scenario(schedule: Schedule) -> None:
        store = SteppedStore(MemoryStore())
        key = fresh_key(store.inner)
        await store.create(key, Draft(None, 60, 60, {"count": b"0"}))
        store.schedule = schedule

        async def count() -> None:
            record = await store.load(key)
            await store.commit(key, Changes(set={"count": b"%d" % (int(record.data["count"]) + 1)}))

        await schedule.run({"a": count, "b": count})
        record = await store.inner.load(key)
        assert record.data["count"] == b"2"

    with pytest.raises(AssertionError) as caught:
        await explore(scenario)
    assert caught.value.__notes__[0].startswith("In this order: a before load | a after load | b before load | a before commit")


async def test_whoever_waits_for_another_actor_is_let_wait() -> None:
    """One that depends on the other's step goes on when that one has."""
    results = []

    async def scenario(schedule: Schedule) -> None:
        store = SteppedStore(MemoryStore())
        store.schedule = schedule
        key = fresh_key(store.inner)
        done = asyncio.Event()

        async def create() -> None:
            await store.create(key, Draft(None, 60, 60, EMPTY))
            done.set()

        async def wait() -> object:
            await done.wait()
            return await store.load(key)

        results.append(await schedule.run({"create": create, "wait": wait}))

    assert await explore(scenario) == 1
    assert results[0]["wait"] is not None
