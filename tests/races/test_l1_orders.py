"""The L1, a store and the link between them in every order of their steps: what one process may still serve, and until when.

The store and the wire are models (a list of messages that arrive in order, or never); the cache is the real one. Each actor is a
generator, each of its steps one that nothing can interrupt in reality either: the store's script, a reply, a message, a request
that is served from memory. What a rule forbids is looked for in every order of all steps; that the rules would notice is shown by
taking the cache's guards away one by one. ``test_l1_requests.py`` does the same to whole requests, in fewer orders.
"""

from collections.abc import Callable, Iterator

import pytest

from asgi_session.cache.link import TRUST, Invalidation, Lease, LocalLink
from asgi_session.cache.policy import CachePolicy
from asgi_session.cache.sessions import SessionCache
from asgi_session.ids import user_tag
from asgi_session.record import Record
from tests.cache.parts import NAMESPACE, a_key, a_record, changed, ended
from tests.races.guards import BlindFill, Deaf, HardOfHearing, NoLease, NoLoss, NoRace, Trusting
from tests.support.clock import StoppedClock

KEY = a_key("ann")
CREDENTIAL = "credential"

Actor = Iterator[None]
News = Callable[[], Invalidation]


class Wire(LocalLink):
    """The link of one process, and what is on its way to it."""

    def __init__(self, clock: StoppedClock) -> None:
        super().__init__()
        self._lease = Lease(clock.steady + TRUST)
        self._clock = clock
        self.connected = True
        self.under_way: list[Invalidation | float] = []
        """News, and proofs by the time of their question, in the order in which the server sent them."""
        self.heard = 0
        """How many times something came that makes a revocation known."""

    def publish(self, news: Invalidation) -> None:
        """The server tells those who are connected."""
        if self.connected:
            self.under_way.append(news)

    def ask(self) -> None:
        """The server answers a question, after all news that it has told."""
        if self.connected:
            self.under_way.append(self._clock.steady)

    def deliver(self) -> None:
        """The next message arrives."""
        if not self.under_way:
            return
        message = self.under_way.pop(0)
        if isinstance(message, Invalidation):
            self.tell(message)
            self.heard += 1
        else:
            self._lease.until = message + TRUST

    def lose(self) -> None:
        """The connection breaks, and this process notices."""
        self.connected = False
        self.under_way.clear()
        self._lease.revoke()
        for listener in self._listeners:
            listener(None)  # type: ignore[arg-type]

    def connect(self) -> None:
        """News from now on are told to us."""
        self.connected = True


class World:
    """A store, and one process that reads sessions from it."""

    def __init__(self, cache: type[SessionCache] = SessionCache) -> None:
        self.clock = StoppedClock()
        self.wire = Wire(self.clock)
        self.cache = cache(self.wire, CachePolicy(), self.clock.monotonic, NAMESPACE, 60.0)
        self.version = 1
        self.changed_at = self.clock.steady
        self.own_version = 1
        """What a reader of this process must see: the process has told the client of it."""
        self.revoked_at: float | None = None
        self.known = False
        """Whether this process has heard of the revocation, or of the loss of its connection after it."""
        self.hits = 0

    # -- actors -------------------------------------------------------------------------------------------------------

    def read(self, requests: int = 1) -> Actor:
        """Requests of one client, one after the other."""
        for _ in range(requests):
            yield
            yield from self._request()

    def met(self, requests: int = 1) -> Actor:
        """The same, of a client whose session is in the cache already."""
        for _ in self._request():
            pass
        return self.read(requests)

    def revoke(self, news: News = lambda: ended(KEY)) -> Actor:
        """Another process ends the session, one way or the other."""
        yield
        self.revoked_at = self.clock.steady
        self.wire.publish(news())

    def commit(self) -> Actor:
        """Another process changes the session."""
        yield
        self._commit()

    def commit_here(self) -> Actor:
        """This process does, and tells its client so when the store has answered."""
        yield
        version = self._commit()
        yield
        if version is None:
            self.wire.tell(ended(KEY))
        else:
            self.wire.tell(changed(KEY, str(version)))
            self.own_version = max(self.own_version, version)

    def deliver(self, messages: int = 1) -> Actor:
        """So many messages arrive."""
        for _ in range(messages):
            yield
            before = self.wire.heard
            self.wire.deliver()
            self.known = self.known or (self.revoked_at is not None and self.wire.heard > before and not self._news_under_way())

    def ask(self) -> Actor:
        """The link asks for a proof."""
        yield
        self.wire.ask()

    def prove(self) -> Actor:
        """A question, and its answer."""
        yield from self.ask()
        yield from self.deliver()

    def reconnect(self) -> Actor:
        """The link is lost and had again."""
        yield
        self.wire.lose()
        self.known = self.known or self.revoked_at is not None
        yield
        self.wire.connect()

    def wait(self, *seconds: float) -> Actor:
        """Time passes."""
        for pause in seconds:
            yield
            self.clock.advance(pause)

    # -- rules --------------------------------------------------------------------------------------------------------

    def check_end(self) -> None:
        """When everything has arrived, a revoked session is served by nobody."""
        while self.wire.under_way:
            self.wire.deliver()
        if self.revoked_at is not None and self.wire.connected:
            self.known = True
        for _ in self._request():
            pass

    def _request(self) -> Actor:
        knew, own, begun = self.known, self.own_version, self.clock.steady
        entry = self.cache.get(CREDENTIAL, self.clock.steady)
        if entry is not None:
            self.hits += 1
            record = entry.snapshot.record if entry.snapshot is not None else None
            if record is not None and self.revoked_at is not None:
                assert self.clock.steady < self.revoked_at + TRUST, "served two seconds after the revocation"
            if record is not None and record.version < self.version:
                assert self.clock.steady < self.changed_at + TRUST, "old data served two seconds after the change"
        else:
            fill = self.cache.begin(KEY)
            yield
            record = self._load()
            if record is not None and self.revoked_at is not None:
                assert begun <= self.revoked_at
            yield
            self.cache.fill(fill, CREDENTIAL, record, 1e9)
        assert record is None or not knew, "served although the revocation was known"
        assert record is None or record.version >= own, "a client does not see what it has written"
        assert record is not None or self.revoked_at is not None, "a live session was denied"

    def _load(self) -> Record | None:
        if self.revoked_at is not None:
            return None
        return a_record("ann", key=KEY, version=self.version)

    def _commit(self) -> int | None:
        if self.revoked_at is not None:
            return None
        self.version += 1
        self.changed_at = self.clock.steady
        self.wire.publish(changed(KEY, str(self.version)))
        return self.version

    def _news_under_way(self) -> bool:
        return any(isinstance(message, Invalidation) and message.kind != "changed" for message in self.wire.under_way)


def explore(cast: Callable[[World], list[Actor]], cache: type[SessionCache] = SessionCache) -> tuple[int, int]:
    """Let the cast act in every order of its steps; returns how many orders there are, and how many requests the L1 served."""
    choices: list[int] = []
    orders = hits = 0
    while True:
        world, taken = World(cache), list[tuple[int, int]]()
        acting = cast(world)
        for actor in acting:
            next(actor)
        while acting:
            turn = len(taken)
            choice = choices[turn] if turn < len(choices) else 0
            taken.append((choice, len(acting)))
            if next(acting[choice], acting) is acting:
                del acting[choice]
        world.check_end()
        orders, hits = orders + 1, hits + world.hits
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return orders, hits
        choices = [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1]


def user_revoked() -> Invalidation:
    """All sessions of the user."""
    return Invalidation("user", KEY.bucket, user_tag("ann", NAMESPACE))


def all_revoked() -> Invalidation:
    """Every session."""
    return Invalidation("all", KEY.bucket)


SCENES: dict[str, Callable[[World], list[Actor]]] = {
    "two clients, a revocation": lambda world: [world.read(), world.read(), world.revoke(), world.deliver()],
    "a client that comes again, a revocation": lambda world: [world.read(3), world.revoke(), world.deliver()],
    "the sessions of a user": lambda world: [world.read(3), world.revoke(user_revoked), world.deliver()],
    "everybody's sessions": lambda world: [world.read(3), world.revoke(all_revoked), world.deliver()],
    "proofs that come late": lambda world: [world.met(), world.revoke(), world.ask(), world.deliver(2), world.wait(1.5, 1.0)],
    "proofs that never come": lambda world: [world.met(3), world.revoke(), world.ask(), world.wait(1.0, 0.9, 0.2)],
    "a link that slept": lambda world: [world.read(2), world.revoke(), world.wait(2.5), world.ask(), world.deliver(1)],
    "a lost link": lambda world: [world.read(), world.met(), world.revoke(), world.reconnect(), world.ask()],
    "a lost link and a new proof": lambda world: [world.read(2), world.revoke(), world.reconnect(), world.prove()],
    "a change elsewhere": lambda world: [world.met(), world.commit(), world.ask(), world.deliver(2), world.wait(1.5, 1.0)],
    "a change here": lambda world: [world.read(3), world.commit_here(), world.deliver()],
    "changes here and elsewhere": lambda world: [world.met(2), world.commit_here(), world.commit(), world.deliver(2)],
    "a change here and a revocation": lambda world: [
        world.read(),
        world.commit_here(),
        world.revoke(all_revoked),
        world.deliver(2),
    ],
    "a change here while the link is lost": lambda world: [world.met(), world.read(), world.commit_here(), world.reconnect()],
}


MANY = {
    "a lost link",
    "a lost link and a new proof",
    "a change here while the link is lost",
    "a change elsewhere",
    "changes here and elsewhere",
    "proofs that come late",
}
"""Scenes of so many orders that running them takes long."""


@pytest.mark.parametrize("scene", [pytest.param(scene, marks=[pytest.mark.lengthy] if scene in MANY else []) for scene in SCENES])
@pytest.mark.security("LC-09")
def test_no_order_serves_what_it_must_not(scene: str) -> None:
    """Neither a revoked session beyond the bound, nor one whose revocation is known, nor less than a client has written."""
    orders, hits = explore(SCENES[scene])
    assert orders > 40
    assert hits > 10, "the scene must be one in which the L1 serves"


@pytest.mark.parametrize(
    ("guard", "scene"),
    [
        (NoRace, "two clients, a revocation"),
        (NoRace, "a change here"),
        (NoLoss, "a lost link and a new proof"),
        (NoLease, "proofs that never come"),
        (BlindFill, "a lost link and a new proof"),
        (Deaf, "a client that comes again, a revocation"),
        (HardOfHearing, "the sessions of a user"),
        (HardOfHearing, "everybody's sessions"),
        (Trusting, "a change elsewhere"),
    ],
)
def test_the_rules_notice_a_guard_that_is_missing(guard: type[SessionCache], scene: str) -> None:
    """Each guard of the cache is needed in some order."""
    with pytest.raises(AssertionError):
        explore(SCENES[scene], guard)
