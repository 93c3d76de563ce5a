"""One server's lane, against a server that misbehaves to order."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
from redis._parsers.base import BaseParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import ResponseError

from asgi_session.breaker import CircuitBreaker
from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.redis.call import Call
from asgi_session.redis.connections import Connections
from asgi_session.redis.lane import MAX_BATCH, MAX_QUEUED, Lane, Limits
from asgi_session.redis.script import Operand, Script
from asgi_session.redis.url import parse_url
from tests.redis.fake_server import HANG_UP, FakeServer
from tests.redis.leftovers import tasks_of_the_package

StartServer = Callable[..., Awaitable[FakeServer]]
MakeLane = Callable[..., Lane]


@pytest.fixture
async def make_lane() -> AsyncIterator[MakeLane]:
    """Makes lanes with short limits, and closes them after the test."""
    lanes: list[Lane] = []

    def make(
        url: str, *, breaker: CircuitBreaker | None = None, connect: float = 0.3, operation: float = 0.1, connections: int = 16
    ) -> Lane:
        address = parse_url(url)
        to_server = Connections.to_server(address, address.hosts[0], connect)
        lane = Lane(str(address), to_server, Limits(connect, operation, connections), breaker or CircuitBreaker())
        lanes.append(lane)
        return lane

    yield make
    for lane in lanes:
        await lane.close()


def send(lane: Lane, *words: Operand, script: Script | None = None) -> asyncio.Future[object]:
    """Submits a command; its reply will be in the future."""
    call = Call(asyncio.get_running_loop(), words, script=script)
    lane.submit(call)
    return call.reply


def echo(words: list[bytes]) -> bytes:
    """Answers with the command's first argument."""
    return b"$%d\r\n%s\r\n" % (len(words[1]), words[1])


async def test_calls_of_one_turn_leave_in_one_write(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A hundred commands are one read for the server, and each gets its own reply."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    replies = await asyncio.gather(*(send(lane, "GET", str(number)) for number in range(100)))
    assert replies == [b"%d" % number for number in range(100)]
    assert (server.reads, server.connections) == ([100], 1)


async def test_a_connection_is_used_again(fake_server: StartServer, make_lane: MakeLane) -> None:
    """One after the other needs only one connection."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    for number in range(5):
        await send(lane, "GET", number)
    assert server.connections == 1


async def test_a_batch_is_bounded(fake_server: StartServer, make_lane: MakeLane) -> None:
    """What is too much for one write leaves in two, over two connections."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    await asyncio.gather(*(send(lane, "GET", "x") for _ in range(MAX_BATCH + 1)))
    assert server.connections == 2


async def test_a_connection_that_the_server_closed_is_replaced(fake_server: StartServer, make_lane: MakeLane) -> None:
    """An idle connection that died costs nobody a command."""
    server = await fake_server(lambda words: HANG_UP if words[0] == b"QUIT" else echo(words))
    lane = make_lane(server.url)
    await send(lane, "GET", "a")
    with pytest.raises(StoreUnavailable):
        await send(lane, "QUIT")
    assert await send(lane, "GET", "b") == b"b"


async def test_an_idle_connection_that_was_reset_is_replaced(fake_server: StartServer, make_lane: MakeLane) -> None:
    """The same where the connection was not ended but broken."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    await send(lane, "GET", "a")
    await asyncio.sleep(0.01)
    server.break_off()
    await asyncio.sleep(0.01)
    assert await send(lane, "GET", "b") == b"b"


async def test_an_error_is_only_its_own_calls(fake_server: StartServer, make_lane: MakeLane) -> None:
    """Neighbours in the batch get their replies."""
    server = await fake_server(lambda words: b"-WRONGTYPE no\r\n" if words[1] == b"bad" else echo(words))
    lane = make_lane(server.url)
    first, bad, last = await asyncio.gather(
        send(lane, "GET", "a"), send(lane, "GET", "bad"), send(lane, "GET", "b"), return_exceptions=True
    )
    assert (first, last) == (b"a", b"b")
    assert type(bad) is StoreError
    assert server.connections == 1


async def test_an_error_within_a_reply_is_handed_over(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A script may return a list with an error in it; that is a reply like any other."""
    server = await fake_server(lambda _: b"*2\r\n:1\r\n-ERR inner\r\n")
    reply = await send(make_lane(server.url), "EVAL", "x", 0)
    assert isinstance(reply, list)
    assert reply[0] == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"-READONLY You can't write against a read only replica.\r\n", "takes no writes"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "is down"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "is down"),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", "moving the keys"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "out of memory"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still loading"),
        (b"-BUSY Redis is busy running a script.\r\n", "busy with a long script"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "can't save them"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "too few replicas"),
        (b"-ERR max number of clients reached\r\n", "can't be reached"),
        (HANG_UP, "can't be reached"),
        (b"?what\r\n", "can't be reached"),
        (b"$5\r\nhe", "did not answer in time"),
        (None, "did not answer in time"),
    ],
)
@pytest.mark.security("ST-15", "AV-01")
async def test_not_now_is_unavailable(fake_server: StartServer, make_lane: MakeLane, answer: bytes | None, says: str) -> None:
    """Whatever may pass by itself says nothing about the session, and says what it was."""
    server = await fake_server(lambda _: answer)
    with pytest.raises(StoreUnavailable, match=says) as failure:
        await send(make_lane(server.url), "GET", "a")
    assert failure.value.__cause__ is not None


@pytest.mark.parametrize(
    "answer",
    [
        b"-ERR Error running script\r\n",
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        b"-NOSCRIPT No matching script.\r\n",
        b"-CROSSSLOT Keys in request don't hash to the same slot\r\n",
        b"-NOPERM this user has no permissions\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-WRONGPASS invalid username-password pair\r\n",
    ],
)
@pytest.mark.security("ST-15")
async def test_never_is_an_error(fake_server: StartServer, make_lane: MakeLane, answer: bytes) -> None:
    """What will be refused again is a defect or a wrong set-up, and opens no breaker."""
    server = await fake_server(lambda _: answer)
    lane = make_lane(server.url, breaker=CircuitBreaker(failures=1))
    with pytest.raises(StoreError) as failure:
        await send(lane, "GET", "a")
    assert type(failure.value) is StoreError
    assert lane.breaker.state == "closed"


@pytest.mark.security("ST-08")
async def test_a_connection_cut_in_the_middle_of_a_reply_is_never_used_again(fake_server: StartServer, make_lane: MakeLane) -> None:
    """What was answered before the cut is answered; the rest fails; the next command starts clean."""
    answers = {b"cut": b"$9\r\nhalf", b"off": HANG_UP}
    server = await fake_server(lambda words: answers.get(words[1]) or echo(words))
    lane = make_lane(server.url)
    replies = await asyncio.gather(*(send(lane, "GET", word) for word in ("a", "cut", "off")), return_exceptions=True)
    assert replies[0] == b"a"
    assert all(isinstance(reply, StoreUnavailable) for reply in replies[1:])
    assert await send(lane, "GET", "c") == b"c"
    assert server.connections == 2


@pytest.mark.parametrize("refused", [b"-NOPERM no\r\n", b"-ERR This instance has cluster support disabled\r\n"])
@pytest.mark.security("ST-08")
async def test_a_refused_asking_leaves_no_reply_to_the_next_call(
    fake_server: StartServer, make_lane: MakeLane, refused: bytes
) -> None:
    """What was sent for one call has two replies; both are read, whatever the first one says."""
    answers = {b"ASKING": refused, b"b": b"-MOVED 1 127.0.0.1:1\r\n"}
    server = await fake_server(lambda words: answers.get(words[-1]) or echo(words))
    lane = make_lane(server.url)
    calls = [Call(asyncio.get_running_loop(), ("GET", key)) for key in "abc"]
    calls[1].asking = True
    for call in calls:
        lane.submit(call)
    replies = await asyncio.gather(*(call.reply for call in calls), send(lane, "GET", "d"), return_exceptions=True)
    assert [replies[0], *replies[2:]] == [b"a", b"c", b"d"]
    assert type(replies[1]) is StoreError
    assert server.connections == 1


async def test_a_refused_asking_that_was_not_needed_is_no_error(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A node that has the slot by now runs the command all the same, and whoever sent it has to know."""
    server = await fake_server(lambda words: b"-NOPERM no\r\n" if words[0] == b"ASKING" else echo(words))
    call = Call(asyncio.get_running_loop(), ("GET", "a"))
    call.asking = True
    make_lane(server.url).submit(call)
    assert await call.reply == b"a"


@pytest.mark.parametrize(
    "odd",
    [
        b"-NOAUTH Authentication required.\r\n",  # errors that the driver takes for a broken connection
        b"-ERR max number of clients reached\r\n",
        b"*1\r\n-LOADING Redis is loading the dataset in memory\r\n",
        b"-MOVED nowhere\r\n",  # what the driver's parser chokes on
        b"-ASK 1 host:port\r\n",
        b":many\r\n",
        b">0\r\n",
        b"@1\r\n",
    ],
)
@pytest.mark.security("ST-08")
async def test_whatever_is_no_plain_reply_ends_the_connection(fake_server: StartServer, make_lane: MakeLane, odd: bytes) -> None:
    """Calls behind it in the batch get an error, never a neighbour's reply; the next ones use a new connection."""
    server = await fake_server(lambda words: odd if words[1] == b"odd" else echo(words))
    lane = make_lane(server.url)
    replies = await asyncio.gather(*(send(lane, "GET", word) for word in ("a", "odd", "b", "c")), return_exceptions=True)
    assert replies[0] == b"a"
    assert all(isinstance(reply, StoreError) for reply in replies[1:])
    assert await send(lane, "GET", "d") == b"d"
    assert server.connections == 2


@pytest.mark.parametrize(
    "push",
    [
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n",
        b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
        b">4\r\n$6\r\nMOVING\r\n:1\r\n:10\r\n_\r\n",
    ],
)
@pytest.mark.security("ST-08")
async def test_a_push_message_is_nobodys_reply(fake_server: StartServer, make_lane: MakeLane, push: bytes) -> None:
    """What the server says unasked, in RESP3 and between two replies, is passed over."""
    server = await fake_server(lambda words: push + echo(words))
    lane = make_lane(server.url)
    replies = await asyncio.gather(*(send(lane, "GET", number) for number in range(3)))
    assert replies == [b"0", b"1", b"2"]


@pytest.mark.security("ST-08")
async def test_a_reply_too_many_is_not_the_next_calls(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A connection with something left to read is not used again, whoever sent it."""
    server = await fake_server(lambda words: echo(words) + (b"$5\r\nstray\r\n" if words[1] == b"a" else b""))
    lane = make_lane(server.url)
    assert await send(lane, "GET", "a") == b"a"
    assert await send(lane, "GET", "b") == b"b"
    assert server.connections == 2


@pytest.mark.security("ST-08")
async def test_a_failure_of_our_own_between_two_replies_ends_the_connection(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A defect in whoever takes redirected calls must not leave the replies behind it to somebody else."""

    def redirect(_call: Call, _error: ResponseError) -> bool:
        raise KeyError("a defect")

    server = await fake_server(lambda words: b"-ERR no\r\n" if words[1] == b"bad" else echo(words))
    address = parse_url(server.url)
    limits = Limits(0.3, 0.1, 16)
    lane = Lane("here", Connections.to_server(address, address.hosts[0], 0.3), limits, CircuitBreaker(), redirect)
    replies = await asyncio.gather(*(send(lane, "GET", word) for word in ("a", "bad", "b")), return_exceptions=True)
    assert replies[0] == b"a"
    assert all(isinstance(reply, StoreUnavailable) for reply in replies[1:])
    assert await send(lane, "GET", "c") == b"c"
    await lane.close()


@pytest.mark.security("ST-08")
async def test_the_reply_to_a_script_sent_again_is_its_own(fake_server: StartServer, make_lane: MakeLane) -> None:
    """Of many scripts in one batch that the server half knows, each gets what it asked for."""
    script = Script("x", "return ARGV[1]")

    def answer(words: list[bytes]) -> bytes:
        forgotten = words[0] == b"EVALSHA" and int(words[3]) % 2
        return b"-NOSCRIPT none\r\n" if forgotten else b"$%d\r\n%s\r\n" % (len(words[3]), words[3])

    server = await fake_server(answer)
    lane = make_lane(server.url)
    calls = [Call(asyncio.get_running_loop(), ("EVALSHA", script.sha, 0, number), script=script) for number in range(20)]
    for call in calls[::3]:
        call.asking = True
    server.answer = lambda words: b"+OK\r\n" if words == [b"ASKING"] else answer(words)
    for call in calls:
        lane.submit(call)
    assert await asyncio.gather(*(call.reply for call in calls)) == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize("greeting", [b"+OK\r\n", b"%1\r\n+proto\r\n:2\r\n", b"-ERR unknown command\r\n", b":many\r\n"])
@pytest.mark.security("ST-08")
async def test_no_command_travels_on_a_connection_that_was_not_greeted_to_the_end(
    fake_server: StartServer, make_lane: MakeLane, greeting: bytes
) -> None:
    """Half a handshake may mean another database, another user or another protocol."""
    server = await fake_server(echo, greeting)
    lane = make_lane(server.url.replace("redis://", "redis://:password@").replace("/0", "/3"), connections=1)
    for _ in range(3):
        replies = [send(lane, "GET", number) for number in range(MAX_BATCH + 1)]  # more than one batch
        outcomes = await asyncio.gather(*replies, return_exceptions=True)
        assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    assert server.commands == []


@pytest.mark.security("ST-08")
async def test_the_driver_has_no_third_kind_of_error() -> None:
    """Each error of a server is a ``ResponseError`` (a reply) or a ``ConnectionError`` (the end); another would pass as a value."""
    kinds = _leaves(BaseParser.EXCEPTION_CLASSES)
    assert [kind for kind in kinds if not issubclass(kind, ResponseError | DriverConnectionError)] == []


def _leaves(tree: Mapping[str, Any]) -> Iterator[type[Exception]]:
    for leaf in tree.values():
        if isinstance(leaf, Mapping):
            yield from _leaves(leaf)
        else:
            yield leaf


@pytest.mark.security("ST-08")
async def test_a_cancelled_caller_loses_only_its_own_reply(fake_server: StartServer, make_lane: MakeLane) -> None:
    """Its command runs all the same, and its reply reaches nobody."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    replies = [send(lane, "GET", number) for number in range(4)]
    replies[1].cancel()
    assert await asyncio.gather(replies[0], replies[2], replies[3]) == [b"0", b"2", b"3"]
    assert len(server.commands) == 4


@pytest.mark.security("AV-03")
async def test_a_silent_server_costs_no_more_than_the_limit(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A connected server that says nothing: the operation's limit."""
    server = await fake_server(lambda words: None if words[1] == b"hush" else echo(words))
    lane = make_lane(server.url)
    await send(lane, "GET", "a")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await send(lane, "GET", "hush")
    assert 0.09 < time.monotonic() - started < 0.25


@pytest.mark.security("AV-03")
async def test_a_server_that_accepts_and_says_nothing_costs_no_more_than_both_limits(
    fake_server: StartServer, make_lane: MakeLane
) -> None:
    """A black hole behind an open port: the connect limit and the operation's."""
    server = await fake_server(echo, None)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await send(make_lane(server.url), "GET", "a")
    assert 0.35 < time.monotonic() - started < 0.6


@pytest.mark.security("AV-04")
async def test_silence_opens_the_breaker_which_then_refuses_at_once(fake_server: StartServer, make_lane: MakeLane) -> None:
    """The number of failed batches counts, not that of their calls; then nothing is even tried."""
    server = await fake_server(lambda _: HANG_UP)
    lane = make_lane(server.url, breaker=CircuitBreaker(failures=2))
    for _ in range(2):
        assert lane.breaker.state == "closed"
        await asyncio.gather(*(send(lane, "GET", "a") for _ in range(50)), return_exceptions=True)
    tried, started = server.connections, time.monotonic()
    with pytest.raises(StoreUnavailable) as refusal:
        await send(lane, "GET", "a")
    assert time.monotonic() - started < 0.005
    assert refusal.value.retry_after > 1
    assert server.connections == tried


@pytest.mark.security("AV-07")
async def test_calls_beyond_the_queue_are_refused_at_once(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A queue that can't be served in time is not joined."""
    server = await fake_server(lambda _: None)
    lane = make_lane(server.url, connections=1)
    waiting = [send(lane, "GET", "a") for _ in range(MAX_QUEUED)]
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="Too many"):
        await send(lane, "GET", "a")
    assert time.monotonic() - started < 0.09
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)


@pytest.mark.security("AV-03")
async def test_waiting_for_a_connection_is_limited_too(fake_server: StartServer, make_lane: MakeLane) -> None:
    """Whoever finds all connections busy waits no longer than an operation may take."""
    server = await fake_server(echo, None)
    lane = make_lane(server.url, connections=1, connect=5.0)
    first = send(lane, "GET", "a")
    await asyncio.sleep(0)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="busy"):
        await send(lane, "GET", "b")
    assert 0.09 < time.monotonic() - started < 0.25
    assert not first.done()
    server.hang_up()
    with pytest.raises(StoreUnavailable, match="can't be reached"):
        await first


async def test_what_waited_leaves_together_when_a_connection_is_free(fake_server: StartServer, make_lane: MakeLane) -> None:
    """The queue of a busy lane is one batch."""
    server = await fake_server(echo)
    lane = make_lane(server.url, connections=1)
    first = send(lane, "GET", "a")
    await asyncio.sleep(0)
    rest = []
    for number in range(10):
        rest.append(send(lane, "GET", number))
        await asyncio.sleep(0)
    await asyncio.gather(first, *rest)
    assert len(server.reads) < 5


async def test_a_script_that_the_server_forgot_is_sent_once(fake_server: StartServer, make_lane: MakeLane) -> None:
    """EVALSHA, then EVAL with the source; the caller sees only the reply."""
    server = await fake_server(lambda words: b"-NOSCRIPT none\r\n" if words[0] == b"EVALSHA" else b":7\r\n")
    script = Script("x", "return 7")
    lane = make_lane(server.url)
    assert await send(lane, "EVALSHA", script.sha, 1, "key", "arg", script=script) == 7
    assert server.commands == [
        [b"EVALSHA", script.sha.encode(), b"1", b"key", b"arg"],
        [b"EVAL", b"return 7", b"1", b"key", b"arg"],
    ]


async def test_a_server_that_never_knows_a_script_is_not_asked_for_ever(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A NOSCRIPT from within the script itself is an error."""
    server = await fake_server(lambda _: b"-NOSCRIPT none\r\n")
    script = Script("x", "return 7")
    with pytest.raises(StoreError):
        await send(make_lane(server.url), "EVALSHA", script.sha, 0, script=script)
    assert len(server.commands) == 2


async def test_a_demoted_master_loses_its_connections(fake_server: StartServer, make_lane: MakeLane) -> None:
    """After READONLY the next command connects anew, to whoever has the name by then."""
    server = await fake_server(lambda _: b"-READONLY no\r\n")
    lane = make_lane(server.url)
    with pytest.raises(StoreUnavailable):
        await send(lane, "SET", "a", 1)
    server.answer = echo
    await send(lane, "GET", "a")
    assert server.connections == 2


async def test_a_busy_event_loop_is_not_the_servers_fault(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A reply that arrived while the application blocked the loop beyond the limit is still read."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    await send(lane, "GET", "a")
    reply = send(lane, "GET", "b")
    for _ in range(4):  # until the command is on its way, its answer perhaps too
        await asyncio.sleep(0)
    time.sleep(0.15)
    assert await reply == b"b"


async def test_closing_waits_for_what_is_on_its_way(fake_server: StartServer, make_lane: MakeLane) -> None:
    """Nobody loses a reply to a shutdown; whoever comes later is told."""
    server = await fake_server(echo)
    lane = make_lane(server.url)
    reply = send(lane, "GET", "a")
    await lane.close()
    assert reply.result() == b"a"
    with pytest.raises(StoreUnavailable, match="being closed"):
        await send(lane, "GET", "b")


async def test_closing_waits_no_longer_than_the_limits(fake_server: StartServer, make_lane: MakeLane) -> None:
    """A silent server does not hold up a shutdown, and every caller gets its error."""
    server = await fake_server(lambda _: None)
    lane = make_lane(server.url, connections=1)
    replies = [send(lane, "GET", "a") for _ in range(2 * MAX_BATCH)]
    started = time.monotonic()
    await lane.close()
    assert time.monotonic() - started < 0.6
    assert all(isinstance(reply.exception(), StoreUnavailable) for reply in replies)
    assert tasks_of_the_package() == []


class HangingConnections(Connections):
    """A driver that does not heed its first cancellation."""

    async def acquire(self) -> AbstractConnection:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)
        raise AssertionError("unreachable")


async def test_closing_does_not_wait_for_a_driver_that_hangs() -> None:
    """A task that outlives its deadline is cancelled again, and its callers are told."""
    address = parse_url("redis://127.0.0.1")
    hanging = HangingConnections(Connections.to_server(address, address.hosts[0], 0.05).pool)
    lane = Lane("here", hanging, Limits(0.05, 0.05, 1), CircuitBreaker())
    reply = send(lane, "PING")
    started = time.monotonic()
    await lane.close()
    assert time.monotonic() - started < 0.3
    assert isinstance(reply.exception(), StoreUnavailable)
    assert tasks_of_the_package() == []


async def test_a_command_leaves_no_reference_cycle(fake_server: StartServer, make_lane: MakeLane) -> None:
    """Neither a reply nor an error gives the garbage collector anything to do."""
    server = await fake_server(lambda words: b"-ERR no\r\n" if words[1] == b"bad" else echo(words))
    lane = make_lane(server.url)

    async def use() -> None:
        await send(lane, "GET", "good")
        with contextlib.suppress(StoreError):
            await send(lane, "GET", "bad")

    await use()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            await use()
        assert gc.collect() == 0
    finally:
        gc.enable()
