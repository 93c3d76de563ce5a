"""How far the news from Redis can be trusted, question by question: with a connection and a clock in the test's hands."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from asgi_session import StoreUnavailable
from asgi_session.cache.link import TRUST, Invalidation
from asgi_session.redis import RedisClient
from asgi_session.redis.slots import slot_of
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from asgi_session.stores.redis.link import RedisLink
from tests.cache.parts import ManualTime, a_key, settle
from tests.redis.leftovers import tasks_of_the_package
from tests.stores.redis.test_topology import ME, OTHER, line, table

MASTER = {b"server": b"redis", b"role": b"master"}
KEYS = Keys("test")


class Wire:
    """A connection whose other end is the test."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.sent: list[str] = []
        self.closed = False
        self._replies: asyncio.Queue[Any] = asyncio.Queue()

    async def send_command(self, *words: str | bytes) -> None:
        self.sent.append(" ".join(word.decode() if isinstance(word, bytes) else word for word in words))
        if self.server.answers is not None:
            for reply in self.server.answers(words):
                self.say(reply)

    async def read_response(self, **_: Any) -> Any:
        reply = await self._replies.get()
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def disconnect(self, *, nowait: bool) -> None:
        self.closed = nowait

    def say(self, reply: Any) -> None:
        """The server's next reply or message; an error breaks the connection."""
        self._replies.put_nowait(reply)


class Server:
    """One server, and whether it can be reached."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.is_up = True
        self.is_master: bool | Exception = True
        self.answers: Any = None

    @property
    def wire(self) -> Wire:
        return self.wires[-1]

    async def dedicated(self) -> Wire:
        if not self.is_up:
            raise ConnectionRefusedError
        self.wires.append(Wire(self))
        return self.wire

    async def is_current(self, _: Wire) -> bool:
        if isinstance(self.is_master, Exception):
            raise self.is_master
        return self.is_master


class Client:
    """What the link needs of a client: which servers there are."""

    def __init__(self, *, is_cluster: bool) -> None:
        self.is_cluster = is_cluster
        self.database = 0
        self.places = {"one": Server()}
        self.down = False

    async def servers(self) -> list[tuple[str, Server]]:
        if self.down:
            raise StoreUnavailable("down")
        return list(self.places.items())


class Rig:
    """A link in a world of the test's making."""

    def __init__(self, *, is_cluster: bool = False) -> None:
        self.time = ManualTime()
        self.client = Client(is_cluster=is_cluster)
        self.link = RedisLink(self.client, "test", self.time.monotonic, self.time.sleep)  # type: ignore[arg-type]
        self.heard: list[Invalidation | None] = []
        self.link.listen(self.heard.append)

    @property
    def server(self) -> Server:
        return self.client.places["one"]

    def left(self, bucket: str = "000") -> float:
        """Seconds for which silence is still believed."""
        return self.link.lease(bucket).until - self.time.steady

    async def up(self) -> "Rig":
        """Started, its first question asked and nothing answered yet."""
        await self.link.start()
        await settle()
        self.heard.clear()
        return self


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """One server."""
    rig = await Rig().up()
    yield rig
    await rig.link.stop()


@pytest.fixture
async def cluster() -> AsyncIterator[Rig]:
    """One node of a Cluster; it agrees to every subscription, and the test says what it serves."""
    rig = Rig(is_cluster=True)
    rig.server.answers = agree
    await rig.up()
    yield rig
    await rig.link.stop()


def agree(words: tuple[Any, ...]) -> list[Any]:
    """Confirm what is followed, as a node does."""
    return [[b"ssubscribe", words[1], 1]] if words[0] == "SSUBSCRIBE" else []


def serves(slots: str) -> bytes:
    """A node's answer."""
    return table(line(ME, "myself,master", slots)).encode()


def slot(bucket: str) -> int:
    """Where a bucket's channel is."""
    return slot_of(KEYS.news(bucket))


# -- one server ---------------------------------------------------------------------------------------------------------


@pytest.mark.security("LC-09")
async def test_trust_counts_from_the_question(rig: Rig) -> None:
    """The answer says that all news from before the question are here, and nothing of what came after."""
    assert rig.server.wire.sent == ["SUBSCRIBE test:n", "HELLO"]
    assert rig.left() == -math.inf
    await rig.time.let_pass(0.4)
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() == pytest.approx(TRUST - 0.4)


async def test_it_asks_twice_a_second(rig: Rig) -> None:
    """Whether it was answered or not; each answer speaks for its own question."""
    await rig.time.let_pass(1.2)
    assert rig.server.wire.sent.count("HELLO") == 3
    for left in (0.8, 1.3, 1.8):
        rig.server.wire.say(MASTER)
        await settle()
        assert rig.left() == pytest.approx(left)


@pytest.mark.security("LC-09")
async def test_silence_is_not_believed(rig: Rig) -> None:
    """Two seconds after the question of the last answer, trust is over; half a second later, so is the connection."""
    rig.server.wire.say(MASTER)
    await rig.time.let_pass(1.99)
    assert rig.left() > 0
    await rig.time.let_pass(0.02)
    assert rig.left() < 0
    generation = rig.link.lease("000").generation
    await rig.time.let_pass(1.0)
    assert rig.server.wires[0].closed
    assert rig.link.lease("000").generation > generation
    assert rig.heard == [None]
    assert rig.link.lost == 1


@pytest.mark.security("LC-09")
async def test_a_lost_connection_ends_all_trust_at_once(rig: Rig) -> None:
    """What was filled before is dead, also when the next connection has its proof."""
    rig.server.wire.say(MASTER)
    await settle()
    generation = rig.link.lease("000").generation
    rig.server.wire.say(ConnectionResetError())
    await settle()
    assert rig.left() == -math.inf
    assert rig.heard == [None]
    await rig.time.let_pass(0.1)
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() > 1.8
    assert rig.link.lease("000").generation > generation
    assert (len(rig.server.wires), rig.link.lost) == (2, 1)


async def test_a_late_answer_of_a_lost_connection_proves_nothing(rig: Rig) -> None:
    """The questions of the old one are forgotten with it."""
    await rig.time.let_pass(1.0)  # three questions without an answer
    rig.server.wire.say(ConnectionResetError())
    await rig.time.let_pass(0.3)
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() == pytest.approx(TRUST - 0.2)  # asked when it was connected again, 0.1 s after the loss


async def test_it_tries_again_ever_more_slowly(rig: Rig) -> None:
    """A server that is gone for an hour is asked for once a second."""
    rig.server.is_up = False
    rig.server.wire.say(ConnectionResetError())
    tries = 0

    async def count() -> None:
        nonlocal tries
        tries += 1
        raise ConnectionRefusedError

    rig.server.dedicated = count  # type: ignore[assignment]
    await rig.time.let_pass(3.0)
    assert 4 <= tries <= 7
    tries = 0
    await rig.time.let_pass(60.0)
    assert 59 <= tries <= 61


async def test_a_connection_that_held_for_long_is_tried_again_at_once(rig: Rig) -> None:
    """The pause grows only with failures that follow each other."""
    rig.server.answers = lambda words: [MASTER] if words[0] == "HELLO" else []
    for _ in range(8):
        rig.server.wire.say(ConnectionResetError())
        await rig.time.let_pass(1.1)
    await rig.time.let_pass(20.0)
    wires = len(rig.server.wires)
    rig.server.wire.say(ConnectionResetError())
    await rig.time.let_pass(0.1)
    assert len(rig.server.wires) == wires + 1


async def test_a_loss_is_told_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Not with each try to connect again; the next loss after a proof is told again."""
    for losses in (1, 2):
        rig.server.wire.say(MASTER)
        await settle()
        rig.server.is_up = False
        rig.server.wire.say(ConnectionResetError())
        await rig.time.let_pass(10.0)
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == losses
        assert "no invalidation link to one" in warnings[-1].message
        rig.server.is_up = True
        await rig.time.let_pass(1.0)


async def test_a_link_that_is_refused_from_the_start_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A server whose rules keep us from its channel would leave the cache empty for ever, and nobody would know why."""
    rig = await Rig().up()
    rig.server.wire.say(PermissionError("NOPERM no permissions to access one of the channels"))
    await rig.time.let_pass(5.0)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "NOPERM" in warnings[0]
    assert rig.link.lost == 0
    await rig.link.stop()


@pytest.mark.security("LC-09")
async def test_a_demoted_master_is_left(rig: Rig) -> None:
    """It says so itself, also where no Sentinel does; sessions are revoked elsewhere now."""
    rig.server.wire.say(MASTER)
    await settle()
    rig.server.wire.say({b"role": b"replica"})
    await rig.time.let_pass(0.5)
    assert rig.left() == -math.inf
    assert rig.server.wires[0].closed


@pytest.mark.parametrize("sentinels", [False, ConnectionError("no Sentinel answers")])
@pytest.mark.security("LC-09")
async def test_what_the_sentinels_do_not_call_master_is_left(rig: Rig, sentinels: bool | Exception) -> None:
    """Or where none of them says anything: nobody knows then where sessions are revoked."""
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() > 0
    rig.server.is_master = sentinels
    await rig.time.let_pass(0.5)
    assert rig.left() == -math.inf


@pytest.mark.security("LC-09")
async def test_slow_sentinels_lengthen_no_trust(rig: Rig) -> None:
    """What they said is as old as the question to them, and so is the proof."""
    rig.server.wire.say(MASTER)
    asked = asyncio.Event()

    async def slowly(_: Wire) -> bool:
        asked.set()
        await rig.time.sleep(1.4)
        return True

    rig.server.is_current = slowly  # type: ignore[method-assign, assignment]
    await rig.time.let_pass(0.5)
    assert asked.is_set()
    await rig.time.let_pass(1.4)
    assert rig.server.wire.sent.count("HELLO") == 2
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() == pytest.approx(TRUST - 1.4)


async def test_news_are_told(rig: Rig) -> None:
    """Each as it was published."""
    key = a_key()
    for text in (
        f"changed {key.bucket} {key.digest} 7",
        f"ended {key.bucket} {key.digest} ",
        f"user {key.bucket} tag keep",
        "all 3ff  ",
    ):
        rig.server.wire.say([b"message", b"test:n", text.encode()])
    await settle()
    assert rig.heard == [
        Invalidation("changed", key.bucket, key.digest, "7"),
        Invalidation("ended", key.bucket, key.digest),
        Invalidation("user", key.bucket, "tag", "keep"),
        Invalidation("all", "3ff"),
    ]


async def test_news_of_a_kind_that_is_not_known_are_told_as_such(rig: Rig) -> None:
    """A newer version publishes them: the connection stays, or an upgrade would be the end of all caching."""
    rig.server.wire.say(MASTER)
    rig.server.wire.say([b"message", b"test:n", b"moved 3ff digest 7"])
    await settle()
    assert rig.heard == [Invalidation("unknown", "3ff")]
    assert rig.left() > 0


async def test_what_is_no_news_ends_trust(rig: Rig) -> None:
    """Nobody can tell which sessions it is about: better no cache than a wrong one."""
    rig.server.wire.say(MASTER)
    await settle()
    rig.server.wire.say([b"message", b"test:n", b"what is this"])
    await settle()
    assert rig.left() == -math.inf


async def test_confirmations_are_no_news(rig: Rig) -> None:
    """Those of the subscription itself."""
    rig.server.wire.say([b"subscribe", b"test:n", 1])
    await settle()
    assert rig.heard == []
    assert not rig.server.wires[0].closed


async def test_who_does_not_listen_is_told_nothing(rig: Rig) -> None:
    """And keeps nobody else from it, also who stops while being told."""
    told: list[str] = []

    def once(_: Invalidation | None) -> None:
        told.append("once")
        rig.link.unlisten(once)

    def always(_: Invalidation | None) -> None:
        told.append("always")

    rig.link.listen(once)
    rig.link.listen(always)
    for _ in range(2):
        rig.link.tell(Invalidation("all", "3ff"))
    assert told == ["once", "always", "always"]


async def test_one_lease_holds_for_all_buckets(rig: Rig) -> None:
    """There is one channel."""
    assert rig.link.lease("000") is rig.link.lease("3ff")


# -- life ---------------------------------------------------------------------------------------------------------------


@pytest.mark.security("AV-10")
async def test_stop_ends_trust_and_leaves_no_task(rig: Rig) -> None:
    """As often as one likes."""
    rig.server.wire.say(MASTER)
    await settle()
    await rig.link.stop()
    assert rig.left() == -math.inf
    assert rig.server.wire.closed
    assert tasks_of_the_package() == []
    await rig.link.stop()


async def test_a_second_start_changes_nothing(rig: Rig) -> None:
    """Two middlewares may share a store."""
    await rig.link.start()
    await settle()
    assert len(rig.server.wires) == 1


async def test_a_stopped_link_can_be_started_again(rig: Rig) -> None:
    """Nothing from before is believed then."""
    generation = rig.link.lease("000").generation
    await rig.link.stop()
    await rig.up()
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() == pytest.approx(TRUST)
    assert rig.link.lease("000").generation > generation


async def test_a_store_that_is_down_at_the_start() -> None:
    """Start neither waits nor fails; trust begins when the store is there."""
    rig = Rig()
    rig.client.down = True
    await rig.up()
    await rig.time.let_pass(10.0)
    assert rig.left() == -math.inf
    rig.client.down = False
    await rig.time.let_pass(1.0)
    rig.server.wire.say(MASTER)
    await settle()
    assert rig.left() > 1.0
    await rig.link.stop()


def test_another_event_loop_begins_anew() -> None:
    """Test clients start a loop per request; what the old one's connection still says is nothing to the new one."""
    rig = Rig()
    left = asyncio.new_event_loop()
    left.run_until_complete(rig.up())
    old = rig.link._supervisor
    generation = rig.link.lease("000").generation

    async def go_on() -> None:
        await rig.up()
        assert (len(rig.server.wires), rig.left()) == (2, -math.inf)
        rig.server.wire.say(MASTER)
        await settle()
        assert rig.left() > 1.0
        await rig.link.stop()

    asyncio.run(go_on())
    assert rig.link.lease("000").generation > generation
    assert old is not None
    old.cancel()
    left.run_until_complete(asyncio.wait([old]))
    left.close()


def test_a_stop_on_another_event_loop_leaves_the_old_one_alone() -> None:
    """Its tasks can't be ended from here; they are the business of whoever ends that loop."""
    rig = Rig()
    left = asyncio.new_event_loop()
    left.run_until_complete(rig.up())
    old = rig.link._supervisor
    asyncio.run(rig.link.stop())
    assert old is not None
    assert not old.done()
    old.cancel()
    left.run_until_complete(asyncio.wait([old]))
    left.close()


# -- a Cluster ----------------------------------------------------------------------------------------------------------


async def test_each_bucket_is_followed_where_its_slot_is(cluster: Rig) -> None:
    """And trusted with the answer that comes after the confirmation."""
    cluster.server.wire.say(serves(f"{slot('000')} {slot('001')}"))
    await settle()
    assert {words for words in cluster.server.wire.sent if words.startswith("SS")} == {
        "SSUBSCRIBE test:{000}:n",
        "SSUBSCRIBE test:{001}:n",
    }
    assert cluster.left("000") == -math.inf
    await cluster.time.let_pass(0.5)
    cluster.server.wire.say(serves(f"{slot('000')} {slot('001')}"))
    await settle()
    assert [cluster.left(bucket) for bucket in ("000", "001", "002")] == pytest.approx([TRUST, TRUST, -math.inf])


async def test_news_of_a_bucket_are_told(cluster: Rig) -> None:
    """They come over its sharded channel."""
    cluster.server.wire.say([b"smessage", b"test:{000}:n", b"all 000  "])
    await settle()
    assert cluster.heard == [Invalidation("all", "000")]


async def trusted(cluster: Rig, *buckets: str) -> None:
    """Have these buckets followed and proved on the first node."""
    for _ in range(2):
        cluster.server.wire.say(serves(" ".join(str(slot(bucket)) for bucket in buckets)))
        await cluster.time.let_pass(0.5)
    assert all(cluster.left(bucket) > 0 for bucket in buckets)


@pytest.mark.parametrize(
    "now",
    [lambda at: f"{at} [{at}->-{OTHER}]", lambda at: str(slot("001"))],
    ids=["is being given away", "is gone"],
)
@pytest.mark.security("LC-09")
async def test_a_bucket_whose_slot_moves_is_untrusted(cluster: Rig, now: Any) -> None:
    """And what was filled is dead, also when it comes back."""
    await trusted(cluster, "000")
    generation = cluster.link.lease("000").generation
    cluster.server.wire.say(serves(now(slot("000"))))
    await settle()
    assert cluster.left("000") == -math.inf
    assert cluster.link.lease("000").generation > generation
    for _ in range(2):
        await cluster.time.let_pass(0.5)
        cluster.server.wire.say(serves(str(slot("000"))))
    await settle()
    assert cluster.left("000") > 0


@pytest.mark.security("LC-09")
async def test_a_bucket_that_the_node_stops_telling_of_is_untrusted_at_once(cluster: Rig) -> None:
    """The node says so by itself when it loses a slot; the others go on. It is followed again if it comes back."""
    await trusted(cluster, "000", "001")
    cluster.server.wire.say([b"sunsubscribe", b"test:{000}:n", 1])
    await settle()
    assert cluster.left("000") == -math.inf
    assert cluster.left("001") > 0
    asked = cluster.server.wire.sent.count("SSUBSCRIBE test:{000}:n")
    cluster.server.wire.say(serves(f"{slot('000')} {slot('001')}"))
    await settle()
    assert cluster.server.wire.sent.count("SSUBSCRIBE test:{000}:n") == asked + 1


@pytest.mark.security("LC-09")
async def test_what_was_filled_before_another_node_was_followed_is_dead(cluster: Rig) -> None:
    """The old node hangs and has not been given up; the new one may have told of news before we listened to it."""
    await trusted(cluster, "000")
    generation = cluster.link.lease("000").generation
    cluster.client.places["two"] = two = Server()
    two.answers = agree
    await cluster.time.let_pass(1.0)
    for _ in range(2):
        two.wire.say(serves(str(slot("000"))))
        await cluster.time.let_pass(0.5)
    assert cluster.left("000") > 0
    assert cluster.link.lease("000").generation > generation
    assert not cluster.server.wire.closed


async def test_a_node_that_is_no_primary_is_left(cluster: Rig) -> None:
    """It was demoted, or cut off from the others."""
    await trusted(cluster, "000")
    cluster.server.wire.say(table(line(ME, "myself,slave")).encode())
    await cluster.time.let_pass(0.5)
    assert cluster.server.wires[0].closed
    assert cluster.left("000") == -math.inf
    assert cluster.heard == [None]


async def test_a_node_that_left_the_cluster_is_not_followed_any_more(cluster: Rig) -> None:
    """And nothing that it told is believed."""
    await trusted(cluster, "000")
    old = cluster.client.places.pop("one").wire
    cluster.client.places["two"] = Server()
    await cluster.time.let_pass(1.0)
    assert old.closed
    assert cluster.left("000") == -math.inf


async def test_a_lost_node_takes_the_trust_in_its_own_buckets_alone(cluster: Rig) -> None:
    """The other nodes' news still come. Who is told of the loss sees by the leases, which are revoked before, what it is about."""
    await trusted(cluster, "000")
    cluster.client.places["two"] = two = Server()
    two.answers = agree
    await cluster.time.let_pass(1.0)
    for _ in range(2):
        two.wire.say(serves(str(slot("001"))))
        cluster.server.wire.say(serves(str(slot("000"))))
        await cluster.time.let_pass(0.5)
    told: list[tuple[bool, bool]] = []
    cluster.link.listen(lambda _: told.append((cluster.left("000") > 0, cluster.left("001") > 0)))
    cluster.server.wire.say(ConnectionResetError())
    await settle()
    assert (cluster.left("000"), cluster.left("001") > 0) == (-math.inf, True)
    assert cluster.heard == [None]
    assert told == [(False, True)]


# -- what the store tells its own process ------------------------------------------------------------------------------


@pytest.mark.parametrize("made_of", ["redis://localhost", "redis+cluster://localhost"])
async def test_news_of_ones_own_are_heard_without_redis(made_of: str) -> None:
    """At once, whatever becomes of the connection."""
    store = RedisStore(RedisClient(made_of), namespace="test")
    heard: list[Invalidation | None] = []
    store.link.listen(heard.append)
    key = a_key()
    store.link.tell(Invalidation("ended", key.bucket, key.digest))
    assert heard == [Invalidation("ended", key.bucket, key.digest)]
    assert store.link.lease(key.bucket).until == -math.inf
