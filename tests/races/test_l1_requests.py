"""Requests that the L1 serves, through the whole middleware, while another one ends or changes the session.

What may be served when is the same as in ``test_l1_orders.py``; here the quick tier, the loader, the touches, the commit and the
store are the real ones, and the news of the other worker arrives when the schedule says so. There are thousands of such orders, so
a sample of them is run. That the rules would notice is shown by taking the cache's guards away one by one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from asgi_session.cache import touches
from asgi_session.cache.sessions import SessionCache
from asgi_session.ids import StoreKey, store_key
from asgi_session.stores.memory import MemoryStore
from tests.races.guards import BlindFill, Deaf, HardOfHearing, NoLoss, NoRace, Trusting
from tests.races.wires import Network, WiredStore
from tests.races.workers import WARM, WIRED, Workers, credential_of, workers_named, workers_over
from tests.support.interleaving import Schedule

Actor = Callable[[], Awaitable[Any]]


@pytest.fixture(params=[*WARM, *WIRED])
async def workers(request: pytest.FixtureRequest, namespace: str, second: int) -> AsyncIterator[Workers]:
    """Two workers that know the session, or don't."""
    async with workers_named(request, namespace, second) as workers:
        yield workers


@pytest.fixture(params=WARM)
async def warm(request: pytest.FixtureRequest, namespace: str, second: int) -> AsyncIterator[Workers]:
    """Two workers that know the session."""
    async with workers_named(request, namespace, second) as workers:
        yield workers


class Scene:
    """One session of one user, requests on it, and its end."""

    def __init__(self, workers: Workers, schedule: Schedule) -> None:
        self.workers = workers
        self.schedule = schedule
        self.name = workers.new_name()
        self.cookie = self.handle = ""
        self._heard = [len(wire.told) for wire in workers.wires]
        self._ends = ""
        self._lost: set[int] = set()
        """Workers that lost their link after the end."""

    async def begin(self) -> StoreKey:
        """Make the session."""
        session = await self.workers.session(self.name)
        self.cookie, self.handle = credential_of(session), session.handle
        return store_key(self.cookie.partition(".")[0])

    # -- actors -------------------------------------------------------------------------------------------------------

    def client(self, worker: int, *targets: str) -> Actor:
        """Requests of its client, one after the other."""

        async def visit() -> list[Any]:
            return [await self.visit(worker, target) for target in targets]

        return visit

    def end(self, how: str, worker: int) -> Actor:
        """Somebody ends it, on that worker."""
        self._ends = how
        manager = self.workers.middlewares[worker].manager
        ends: dict[str, Actor] = {
            "destroy": lambda: manager.destroy(self.handle),
            "revoke": lambda: manager.revoke(self.handle),
            "revoke_user": lambda: manager.revoke_user(self.name),
            "revoke_all": manager.revoke_all,
        }
        return ends[how]

    def lose_the_link(self, worker: int) -> Actor:
        """A worker's link is lost and had again."""
        wire = self.workers.wires[worker]

        async def reconnect() -> None:
            await self.schedule.gate("lose")
            if self.is_over():
                self._lost.add(worker)
            wire.lose()
            await self.schedule.gate("connect")
            wire.connect()

        return reconnect

    # -- rules --------------------------------------------------------------------------------------------------------

    def is_over(self) -> bool:
        """Whether the store has ended it."""
        return f"end before {self._ends}" in self.schedule.order

    def knows(self, worker: int) -> bool:
        """Whether a worker has been told, or has reason to ask."""
        told = self.workers.wires[worker].told[self._heard[worker] :]
        return worker in self._lost or any(news is not None and news.kind != "changed" for news in told)

    async def visit(self, worker: int, target: str) -> Any:
        """A request and its answer, which is nobody's after the end is known, and the user's before it has come."""
        await self.workers.arrival(worker)
        knew = self.knows(worker)
        answer = (await self.workers.answer(worker, target, self.cookie)).json()
        assert answer is None or not knew, "served although the end was known"
        assert answer is not None or self.is_over(), "a live session was denied"
        return answer

    async def check_end(self) -> None:
        """All news has arrived: nobody serves it, and nothing is left of it."""
        for worker in range(2):
            response = await self.workers.answer(worker, "/who", self.cookie)
            assert response.json() is None, "served although the end was known"
        assert await self.workers.alive(self.cookie) is None
        assert await self.workers.live_sessions(self.name) == []


ENDS = ["destroy", "revoke", "revoke_user", "revoke_all"]


def reads_and_an_end(workers: Workers, how: str) -> Callable[[Schedule], Awaitable[None]]:
    """A client that comes twice, and the session's end."""

    async def scenario(schedule: Schedule) -> None:
        scene = Scene(workers, schedule)
        await scene.begin()
        await schedule.run({"client": scene.client(0, "/who", "/who"), "end": scene.end(how, workers.second)})
        await scene.check_end()

    return scenario


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.security("LC-09", "LC-10")
async def test_no_request_is_served_once_the_end_is_known(workers: Workers, how: str) -> None:
    """Neither from the cache nor by a load that raced the end."""
    await workers.race(reads_and_an_end(workers, how), costly=how == "revoke_all")


def saves_and_an_end(workers: Workers, how: str) -> Callable[[Schedule], Awaitable[None]]:
    """A client that changes something and comes again, and the session's end."""

    async def scenario(schedule: Schedule) -> None:
        scene = Scene(workers, schedule)
        await scene.begin()
        await schedule.run({"client": scene.client(0, "/set?new", "/who"), "end": scene.end(how, workers.second)})
        await scene.check_end()

    return scenario


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.security("LC-08", "LC-09")
async def test_no_save_undoes_an_end_that_is_on_its_way(warm: Workers, how: str) -> None:
    """A change of a session that this worker still takes for live comes too late, and is the last thing it does."""
    await warm.race(saves_and_an_end(warm, how), costly=how == "revoke_all")


def a_lost_link(workers: Workers, how: str) -> Callable[[Schedule], Awaitable[None]]:
    """The same, while the link of the client's worker breaks and comes back, perhaps with the news under way."""

    async def scenario(schedule: Schedule) -> None:
        scene = Scene(workers, schedule)
        await scene.begin()
        actors = {
            "client": scene.client(0, "/who"),
            "end": scene.end(how, workers.second),
            "link": scene.lose_the_link(0),
        }
        await schedule.run(actors)
        await scene.check_end()

    return scenario


@pytest.mark.parametrize("how", ["revoke", "revoke_user"])
@pytest.mark.security("LC-09")
async def test_an_end_whose_news_is_lost_with_the_link(workers: Workers, how: str) -> None:
    """Nothing that was known before is believed afterwards, nor what is loaded meanwhile."""
    await workers.race(a_lost_link(workers, how))


def two_writers(workers: Workers, _how: str = "") -> Callable[[Schedule], Awaitable[None]]:
    """A client that writes and reads, and another one that writes."""

    async def scenario(schedule: Schedule) -> None:
        scene = Scene(workers, schedule)
        await scene.begin()
        actors = {"a": scene.client(0, "/set?a", "/data", "/data"), "b": scene.client(workers.second, "/set?b")}
        done = await schedule.run(actors)
        assert all("a" in data for data in done["a"][1:]), "a client does not see what it has written"
        for worker in range(2):
            response = await workers.answer(worker, "/data", scene.cookie)
            assert response.json() == {"old": 1, "a": 1, "b": 1}, "old data served after the news"

    return scenario


@pytest.mark.security("LC-13")
async def test_a_client_sees_what_it_has_written(workers: Workers) -> None:
    """Whatever another worker writes meanwhile; and both changes are seen everywhere once their news are."""
    await workers.race(two_writers(workers))


# -- touches ------------------------------------------------------------------------------------------------------------

IDLE = 1e-6
"""Seconds: each request that the cache serves slides the session's own idle timeout, which is much longer."""


@pytest.fixture(params=WARM)
async def touching(
    request: pytest.FixtureRequest, namespace: str, second: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workers]:
    """Warm workers that slide idle timeouts at once, and with every request."""
    monkeypatch.setattr(touches, "GATHER", 0.0)
    async with workers_named(request, namespace, second, idle_timeout=IDLE) as workers:
        yield workers


def touches_and_an_end(workers: Workers, how: str) -> Callable[[Schedule], Awaitable[None]]:
    """A touch that waits behind a request which the cache served, and the session's end."""

    async def scenario(schedule: Schedule) -> None:
        scene = Scene(workers, schedule)
        key = await scene.begin()
        await schedule.run({"client": scene.client(0, "/who", "/who"), "end": scene.end(how, workers.second)})
        assert schedule.order.count("client before touch") + schedule.order.count("client before load") >= 1
        assert await workers.stores[0].inner.load(key) is None, "a touch brought it back"
        await scene.check_end()

    return scenario


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.security("LC-08")
async def test_no_touch_undoes_an_end(touching: Workers, how: str) -> None:
    """It leaves behind the request, and may arrive after the end or in the middle of its news."""
    await touching.race(touches_and_an_end(touching, how), costly=how == "revoke_all")


# -- the rules would notice ---------------------------------------------------------------------------------------------


class TornTouches(WiredStore):
    """Slides a session in two steps, as a store without scripts would."""

    async def touch(self, keys: Sequence[StoreKey]) -> None:
        """Read, and write."""
        async with self.schedule.step("touch"):
            records = [await self.inner.load(key) for key in keys]
        async with self.schedule.step("touch"):
            for record in records:
                if record is not None:
                    self.inner._keep(record)


Make = Callable[[Workers, str], Callable[[Schedule], Awaitable[None]]]


@pytest.mark.parametrize(
    ("guard", "warm", "make", "how"),
    [
        (NoRace, False, reads_and_an_end, "revoke"),
        (NoRace, False, reads_and_an_end, "revoke_user"),
        (NoRace, False, two_writers, ""),
        (Deaf, True, reads_and_an_end, "destroy"),
        (Deaf, True, saves_and_an_end, "revoke"),
        (HardOfHearing, True, reads_and_an_end, "revoke_all"),
        (NoLoss, True, a_lost_link, "revoke"),
        (BlindFill, False, a_lost_link, "revoke"),
        (Trusting, True, two_writers, ""),
    ],
)
async def test_the_rules_notice_a_guard_that_is_missing(
    guard: type[SessionCache], warm: bool, make: Make, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each guard of the cache is needed in some order of real requests."""
    monkeypatch.setattr("asgi_session.wiring.SessionCache", guard)
    store, network = MemoryStore(), Network("test")
    stepped = [WiredStore(store, network) for _ in range(2)]
    async with workers_over(stepped, store, 1, warm=warm, at_most=500) as workers:
        with pytest.raises(AssertionError, match=r"served although the end was known|old data|has written"):
            await workers.race(make(workers, how))


async def test_the_rules_notice_a_touch_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would bring a session back is found."""
    monkeypatch.setattr(touches, "GATHER", 0.0)
    store, network = MemoryStore(), Network("test")
    stepped = [TornTouches(store, network) for _ in range(2)]
    async with workers_over(stepped, store, 1, warm=True, at_most=500, idle_timeout=IDLE) as workers:
        with pytest.raises(AssertionError, match="brought it back"):
            await workers.race(touches_and_an_end(workers, "destroy"))
