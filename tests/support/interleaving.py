"""Every order in which the steps of a few requests can happen, one after the other.

A scenario starts *actors*; each of them stops at *gates* (before and after each step of the store, and wherever else it asks for
one). The schedule lets one of those who wait go on, until all have ended. `explore` runs the scenario again and again, with
another choice each time, until no order is left: what held in all runs holds for every interleaving of those steps. Where there are
too many orders, it runs a sample of them, the same one each time.

It works with real servers too: the schedule waits until no step of a store is under way and nobody moves any more. An actor that
waits for another one (for its load, say) simply doesn't arrive at a gate until that one has gone on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from itertools import count
from random import Random
from typing import Any, NamedTuple

from asgi_session.cache.link import InvalidationLink
from asgi_session.stores.base import SessionStore

_QUIET = 10
"""Turns of the event loop without a move after which everybody waits; the longest way between two gates takes five."""

_actor: ContextVar[str | None] = ContextVar("actor", default=None)


class _Waiting(NamedTuple):
    """Somebody at a gate."""

    actor: str
    gate: str
    opened: asyncio.Future[None]


Choose = Callable[[int], int]
"""Is told how many wait, and says the number of the one who may go on."""


def first(_waiting: int) -> int:
    """Whoever comes first by name."""
    return 0


class Schedule:
    """One order: at each turn, one of those who wait goes on."""

    def __init__(self, choose: Choose = first, *, gates_after_steps: bool = True) -> None:
        self.order: list[str] = []
        self.gates_after_steps = gates_after_steps
        self.running = False
        """Whether there are actors, for whom somebody could wait."""
        self._choose = choose
        self._joined: list[asyncio.Task[Any]] = []
        self._waiting: list[_Waiting] = []
        self._steps_under_way = 0
        self._moves = 0

    async def gate(self, name: str) -> None:
        """Wait for one's turn. Whoever is no actor (the test itself) goes through."""
        actor = _actor.get()
        if actor is None:
            return
        self._moves += 1
        waiting = _Waiting(actor, name, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        await waiting.opened

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Around a step of the store: a gate before it, another one after it."""
        await self.gate(f"before {name}")
        with self.under_way():
            yield
        if self.gates_after_steps:
            await self.gate(f"after {name}")

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Around whatever waits for a server: nobody else goes on meanwhile."""
        self._steps_under_way += 1
        try:
            yield
        finally:
            self._steps_under_way -= 1
            self._moves += 1

    async def run(self, actors: Mapping[str, Callable[[], Awaitable[Any]]]) -> dict[str, Any]:
        """Have the actors act, and return what each of them returned."""
        self.running = True
        tasks = {name: asyncio.ensure_future(self._act(name, act)) for name, act in actors.items()}
        await self._settle()
        while self._waiting:
            self._waiting.sort(key=lambda waiting: waiting[:2])
            chosen = self._waiting.pop(self._choose(len(self._waiting)))
            self.order.append(f"{chosen.actor} {chosen.gate}")
            chosen.opened.set_result(None)
            await self._settle()
        self.running = False
        async with asyncio.timeout(5):
            for task in self._joined:
                await task
            return {name: await task for name, task in tasks.items()}

    def join(self, name: str, act: Callable[[], Awaitable[Any]]) -> None:
        """Somebody else acts too from now on, until the others have ended and all have had their turn."""
        self._joined.append(asyncio.ensure_future(self._act(name, act)))

    async def _act(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        _actor.set(name)
        return await act()

    async def _settle(self) -> None:
        quiet = 0
        while quiet < _QUIET:
            moves = self._moves
            await asyncio.sleep(0)
            quiet = quiet + 1 if moves == self._moves and not self._steps_under_way else 0


class _Turn:
    """A turn to which several orders lead: who may go on, and what came of it so far. One from which all was tried is forgotten."""

    def __init__(self) -> None:
        self.waiting: int | None = None
        self.left: dict[int, _Turn] = {}


class _Orders:
    """All orders of a scenario, of which no one is run twice."""

    def __init__(self, random: Random | None) -> None:
        self._random = random
        self._begin = self._now = _Turn()
        self._taken: list[tuple[_Turn, int]] = []

    def choose(self, waiting: int) -> int:
        """One of those from whom on not everything was tried: by chance, or the first."""
        turn = self._now
        if turn.waiting is None:
            turn.waiting, turn.left = waiting, {number: _Turn() for number in range(waiting)}
        assert turn.waiting == waiting, "The same steps did not lead to the same turn: something happens past the gates."
        choice = self._random.choice(list(turn.left)) if self._random is not None else min(turn.left)
        self._taken.append((turn, choice))
        self._now = turn.left[choice]
        return choice

    def any_left_after_this_one(self) -> bool:
        """The order was run to its end; whether there is another one."""
        taken, self._taken = self._taken, []
        self._now = self._begin
        for turn, choice in reversed(taken):
            del turn.left[choice]
            if turn.left:
                return True
        return False


async def explore(
    scenario: Callable[[Schedule], Awaitable[None]], *, gates_after_steps: bool = True, at_most: int | None = None
) -> int:
    """Run a scenario in every order, or in so many that were drawn by lot; returns in how many it was run.

    What the scenario raises says in which order it happened.
    """
    orders = _Orders(Random(at_most) if at_most is not None else None)  # the same lots each time
    for run in count(1):
        schedule = Schedule(orders.choose, gates_after_steps=gates_after_steps)
        try:
            await scenario(schedule)
        except BaseException as error:
            error.add_note("In this order: " + " | ".join(schedule.order))
            raise
        if not orders.any_left_after_this_one() or run == at_most:
            return run
    raise AssertionError("unreachable")


def _step(name: str) -> Callable[..., Awaitable[Any]]:
    async def step(self: "SteppedStore", *arguments: Any, **options: Any) -> Any:
        async with self.schedule.step(name):
            return await self.perform(name, *arguments, **options)

    return step


class SteppedStore:
    """A store whose steps wait for their turn in a schedule; everything else is the inner store's."""

    create = _step("create")
    load = _step("load")
    touch = _step("touch")
    commit = _step("commit")
    regenerate = _step("regenerate")
    destroy = _step("destroy")
    list_for_user = _step("list_for_user")
    revoke = _step("revoke")
    revoke_user = _step("revoke_user")
    revoke_all = _step("revoke_all")

    def __init__(self, inner: SessionStore) -> None:
        self.inner: Any = inner
        self.schedule = Schedule()
        self.namespace = inner.namespace
        self.link: InvalidationLink = self.inner.link
        self.problems = inner.problems
        self.start = inner.start
        self.stop = inner.stop

    async def perform(self, name: str, *arguments: Any, **options: Any) -> Any:
        """A step, when its turn has come."""
        return await getattr(self.inner, name)(*arguments, **options)
