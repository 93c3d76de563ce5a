"""Every order in which the steps of a few requests can happen, one after the other.

A scenario starts *actors*; each of them stops at *gates* (before and after each step of the store, and wherever else it asks for
one). The schedule lets one of those who wait go on, until all have ended. `explore` runs the scenario again and again, with
another choice each time, until no order is left: what held in all runs holds for every interleaving of those steps.

It works with real servers too: the schedule waits until no step of a store is under way and nobody moves any more. An actor that
waits for another one (for its load, say) simply doesn't arrive at a gate until that one has gone on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from asgi_session.stores.base import SessionStore

_QUIET = 25
"""Turns of the event loop without a move after which everybody waits; the longest way between two gates takes fewer."""

_actor: ContextVar[str | None] = ContextVar("actor", default=None)


class _Waiting(NamedTuple):
    """Somebody at a gate."""

    actor: str
    gate: str
    opened: asyncio.Future[None]


class Schedule:
    """One order: at each turn, the number of the one who may go on among those who wait; the first one where none is given."""

    def __init__(self, choices: Sequence[int] = (), *, gates_after_steps: bool = True) -> None:
        self.taken: list[tuple[int, int]] = []
        """At each turn: who went on, and out of how many."""
        self.order: list[str] = []
        self.gates_after_steps = gates_after_steps
        self._choices = choices
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
        tasks = {name: asyncio.ensure_future(self._act(name, act)) for name, act in actors.items()}
        await self._settle()
        while self._waiting:
            self._waiting.sort(key=lambda waiting: waiting[:2])
            turn = len(self.taken)
            choice = self._choices[turn] if turn < len(self._choices) else 0
            self.taken.append((choice, len(self._waiting)))
            chosen = self._waiting.pop(choice)
            self.order.append(f"{chosen.actor} {chosen.gate}")
            chosen.opened.set_result(None)
            await self._settle()
        async with asyncio.timeout(5):
            return {name: await task for name, task in tasks.items()}

    async def _act(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        _actor.set(name)
        return await act()

    async def _settle(self) -> None:
        quiet = 0
        while quiet < _QUIET:
            moves = self._moves
            await asyncio.sleep(0)
            quiet = quiet + 1 if moves == self._moves and not self._steps_under_way else 0


async def explore(scenario: Callable[[Schedule], Awaitable[None]], *, gates_after_steps: bool = True) -> int:
    """Run a scenario in every order; returns how many there are. What it raises says in which order it happened."""
    choices: list[int] = []
    orders = 0
    while True:
        schedule = Schedule(choices, gates_after_steps=gates_after_steps)
        try:
            await scenario(schedule)
        except BaseException as error:
            error.add_note("In this order: " + " | ".join(schedule.order))
            raise
        orders += 1
        taken = schedule.taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return orders
        choices = [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1]


def _step(name: str) -> Callable[..., Awaitable[Any]]:
    async def step(self: "SteppedStore", *arguments: Any, **options: Any) -> Any:
        async with self.schedule.step(name):
            return await getattr(self.inner, name)(*arguments, **options)

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
        self.link = self.inner.link
        self.problems = inner.problems
        self.start = inner.start
        self.stop = inner.stop
