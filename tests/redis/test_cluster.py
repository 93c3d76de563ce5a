"""The routes to a Cluster's nodes: a real Cluster, and a few lies about one."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

import pytest

from asgi_session.breaker import CircuitBreaker
from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.redis import RedisClient, Script
from asgi_session.redis.call import Call
from asgi_session.redis.cluster import Cluster
from asgi_session.redis.url import Host
from tests.redis.conftest import MakeClient
from tests.redis.fake_server import FakeServer, ok
from tests.redis.leftovers import tasks_of_the_package
from tests.services.cluster import RedisCluster
from tests.services.ports import free_port

StartServer = Callable[..., Awaitable[FakeServer]]
ADD = Script.from_package("tests.redis", "add.lua")
BOTH = Script("both", "return {redis.call('INCR', KEYS[1]), redis.call('INCR', KEYS[2])}")


async def eventually(client: RedisClient, key: str, seconds: float = 20.0) -> None:
    """Returns when a write succeeds; what fails meanwhile must be unavailability."""
    latest = time.monotonic() + seconds
    while True:
        try:
            await client.command("SET", key, "x")
        except StoreUnavailable:
            assert time.monotonic() < latest, "the client did not recover"
            await asyncio.sleep(0.02)
        else:
            return


class TestRealCluster:
    async def test_keys_find_their_nodes(self, cluster_url: str, make_client: MakeClient, namespace: str) -> None:
        """A thousand scripts of one turn on all nodes, each node learning the script by itself."""
        client = make_client(cluster_url)
        keys = [f"{namespace}-{number}" for number in range(1000)]
        replies = await asyncio.gather(*(client.run(ADD, [key], [1, key]) for key in keys))
        assert replies == [[key.encode(), 1, key.encode()] for key in keys]
        sizes = await client.on_every_primary("DBSIZE")
        assert sum(sizes) == 1000
        assert min(sizes) > 200

    async def test_commands_are_routed_by_their_key(self, cluster_url: str, make_client: MakeClient, namespace: str) -> None:
        """By the first word after the command, or by the key that is named; without one, anywhere."""
        client = make_client(cluster_url)
        await client.command("SET", namespace, "x")
        assert await client.command("OBJECT", "ENCODING", namespace, key=namespace) == b"embstr"
        assert await client.command("OBJECT", "ENCODING", namespace) == b"embstr"
        assert await client.command("PING") == b"PONG"
        assert await client.run(Script("one", "return 1"), []) == 1

    @pytest.mark.security("ST-07")
    async def test_keys_of_several_slots_are_an_error(self, cluster_url: str, make_client: MakeClient) -> None:
        """CROSSSLOT is a defect of ours, no outage."""
        with pytest.raises(StoreError) as failure:
            await make_client(cluster_url).run(BOTH, ["a", "b"])
        assert type(failure.value) is StoreError

    async def test_same_node(self, cluster_url: str, make_client: MakeClient) -> None:
        """Known by the map; before there is one, only for keys of one slot."""
        client = make_client(cluster_url)
        assert not client.same_node("a", "c")
        assert client.same_node("{a}1", "{a}2")
        await client.open()
        nodes = {client.same_node("a", str(number)) for number in range(20)}
        assert nodes == {True, False}

    async def test_a_scan_visits_all_nodes(self, cluster_url: str, make_client: MakeClient, namespace: str) -> None:
        """Every primary's keys are found."""
        client = make_client(cluster_url)
        keys = {f"{namespace}-{number}" for number in range(100)}
        await asyncio.gather(*(client.command("SET", key, 1) for key in keys))
        assert {key async for key in client.scan(f"{namespace}-*")} == keys

    async def test_health_of_all(self, cluster_url: str, make_client: MakeClient) -> None:
        """Each primary is asked."""
        assert (await make_client(cluster_url).health()).detail == "3 of 3 servers answer."

    async def test_scripts_survive_a_flush_on_any_node(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """NOSCRIPT is met node by node."""
        client = make_client(cluster_url)
        for round_number in range(1, 6):
            for master in cluster.masters:
                master.cli.script_flush()
            replies = await asyncio.gather(*(client.run(ADD, [f"{namespace}-{n}"], [1, ""]) for n in range(30)))
            assert {reply[1] for reply in replies} == {round_number}

    @pytest.mark.security("ST-15")
    async def test_a_slot_on_the_move(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """ASK while it moves, MOVED afterwards: every command runs exactly once, with or without a script."""
        client = make_client(cluster_url)
        key, tagged = namespace, [f"{{{namespace}}}{number}" for number in range(50)]
        slot = cluster.slot_of(key)
        await client.command("SET", key, "before")
        before = await asyncio.gather(*(client.run(ADD, [tag], [1, ""]) for tag in tagged[:25]))
        with cluster.migrating(slot) as (source, target):
            assert await client.command("GET", key) == b"before"
            during = await asyncio.gather(*(client.run(ADD, [tag], [1, ""]) for tag in tagged for _ in range(4)))
            cluster.move_keys(slot, source, target)
            assert await client.command("GET", key) == b"before"
        after = await asyncio.gather(*(client.run(ADD, [tag], [1, ""]) for tag in tagged))
        assert (len(before), len(during)) == (25, 200)
        assert [reply[1] for reply in after] == [6] * 25 + [5] * 25

    @pytest.mark.security("ST-08")
    async def test_a_user_who_may_not_ask_gets_nobody_elses_reply(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """The node refuses ASKING and the command behind it; commands of the same write keep their own replies."""
        moving = namespace
        slot = cluster.slot_of(moving)
        for node in cluster.nodes:
            node.command("ACL", "SETUSER", "no-asking", "on", ">password", "~*", "+@all", "-asking")
        client = make_client(cluster_url.replace("redis+cluster://", "redis+cluster://no-asking:password@"))
        keys = [f"{namespace}-{number}" for number in range(300)]
        await asyncio.gather(*(client.command("SET", key, key) for key in (moving, *keys)))
        wrong: list[tuple[str, object]] = []
        refused: list[str] = []

        async def read(key: str) -> None:
            for _ in range(20):
                try:
                    reply = await client.command("GET", key)
                except StoreError as error:
                    refused.append(str(error))
                else:
                    if reply != key.encode():
                        wrong.append((key, reply))

        try:
            with cluster.migrating(slot) as (source, target):
                cluster.move_keys(slot, source, target)
                await asyncio.gather(*(read(key) for key in (*[moving] * 5, *keys)))
        finally:
            await client.close()
            for node in cluster.nodes:
                node.command("ACL", "DELUSER", "no-asking")
        assert wrong == []
        assert len(refused) == 100
        assert all("Check the URL's credentials and the user's ACL" in text for text in refused)

    @pytest.mark.security("ST-15")
    async def test_a_script_whose_keys_are_apart_waits_for_the_move(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """TRYAGAIN: the script runs when its keys are together again, or is unavailable if that takes too long."""
        client = make_client(cluster_url)
        old, new = f"{{{namespace}}}old", f"{{{namespace}}}new"
        slot = cluster.slot_of(old)
        await client.command("SET", old, 0)
        with cluster.migrating(slot) as (source, target):
            await client.command("SET", new, 0)  # on the target, for it is not on the source
            with pytest.raises(StoreUnavailable, match="moving the keys"):
                await client.run(BOTH, [old, new])
            waiting = asyncio.create_task(client.run(BOTH, [old, new]))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(cluster.move_keys, slot, source, target)
            assert await waiting == [1, 1]

    @pytest.mark.security("ST-15")
    async def test_a_failover_in_agreement(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """The old master says MOVED; the client follows at once, and loses nothing."""
        client = make_client(cluster_url)
        slot = cluster.slot_of(namespace)
        await client.command("SET", namespace, "kept")
        await asyncio.to_thread(cluster.failover, slot)
        assert await client.command("GET", namespace) == b"kept"
        assert await client.command("SET", namespace, "new") == b"OK"

    @pytest.mark.slow
    @pytest.mark.alone
    @pytest.mark.security("ST-15", "AV-01")
    async def test_a_killed_master_is_replaced(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """Unavailable until the replica takes over, which the client finds out by itself."""
        client = make_client(cluster_url, breaker=CircuitBreaker(reset_after=0.2))
        await client.open()
        await asyncio.to_thread(cluster.kill_master, cluster.slot_of(namespace))
        with pytest.raises(StoreUnavailable):
            await client.command("SET", namespace, "x")
        await eventually(client, namespace)
        assert (await client.health()).state == "healthy"

    @pytest.mark.security("AV-01", "AV-03")
    async def test_a_frozen_node_costs_the_others_nothing(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """Commands of the same turn to living nodes are answered at once; the dead one's wait for the limit."""
        client = make_client(cluster_url)
        keys = [f"{namespace}-{number}" for number in range(60)]
        await asyncio.gather(*(client.command("SET", key, "x") for key in keys))
        frozen = cluster.master_of(cluster.slot_of(keys[0]))
        apart = [not client.same_node(keys[0], key) for key in keys]
        frozen.pause()
        try:
            started = time.monotonic()
            took: dict[str, float] = {}

            async def get(key: str) -> object:
                try:
                    return await client.command("GET", key)
                finally:
                    took[key] = time.monotonic() - started

            outcomes = await asyncio.gather(*(get(key) for key in keys), return_exceptions=True)
            health = await client.health()
        finally:
            frozen.resume()
        assert [outcome == b"x" for outcome in outcomes] == apart
        assert max(took[key] for key, living in zip(keys, apart, strict=True) if living) < 0.1
        assert max(took.values()) < 0.4
        assert health.state == "degraded"
        assert str(frozen.port) in health.detail

    async def test_a_map_that_is_wrong_corrects_itself(
        self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """After a slot has moved behind the client's back, the first command is the last that goes astray."""
        client = make_client(cluster_url)
        await client.command("SET", namespace, "x")
        await asyncio.to_thread(cluster.migrate_slot, cluster.slot_of(namespace))
        for _ in range(3):
            assert await client.command("GET", namespace) == b"x"

    async def test_one_living_seed_is_enough(self, cluster: RedisCluster, cluster_url: str, make_client: MakeClient) -> None:
        """The URL may name nodes that are gone."""
        dead = f"127.0.0.1:{free_port()}"
        client = make_client(f"redis+cluster://{dead},127.0.0.1:{cluster.nodes[4].port}")
        assert await client.on_every_primary("PING") == [b"PONG"] * 3

    def test_a_new_event_loop_for_every_request(self, cluster_url: str, namespace: str) -> None:
        """The lanes to all nodes are let go without complaint, and made anew."""
        client = RedisClient(cluster_url)
        for number in range(1, 4):
            assert asyncio.run(client.run(ADD, [namespace], [1, ""])) == [namespace.encode(), number, b""]


def slots(*ranges: tuple[int, int, str, int]) -> bytes:
    """The reply to CLUSTER SLOTS."""
    rows = [
        b"*3\r\n:%d\r\n:%d\r\n*2\r\n$%d\r\n%s\r\n:%d\r\n" % (first, last, len(host), host.encode(), port)
        for first, last, host, port in ranges
    ]
    return b"*%d\r\n%s" % (len(rows), b"".join(rows))


@pytest.fixture
async def one_node(fake_server: StartServer) -> tuple[FakeServer, str]:
    """A Cluster of one fake node, which serves everything; and its URL."""
    server = await fake_server()
    server.answer = answering(slots((0, 16383, "127.0.0.1", server.port)), b"+OK\r\n")
    return server, f"redis+cluster://127.0.0.1:{server.port}"


def answering(slots_reply: bytes | None, other: bytes | None) -> Callable[[list[bytes]], bytes | None]:
    """A node that says one thing to CLUSTER SLOTS and another to everything else."""
    return lambda words: slots_reply if words[0] == b"CLUSTER" else other


class TestLies:
    async def test_no_node_can_be_reached(self, make_client: MakeClient) -> None:
        """Unavailable, for every command that waited for the map; the seeds are named."""
        port = free_port()
        client = make_client(f"redis+cluster://127.0.0.1:{port}")
        outcomes = await asyncio.gather(*(client.command("GET", str(n)) for n in range(5)), client.open(), return_exceptions=True)
        assert all(isinstance(outcome, StoreUnavailable) and str(port) in str(outcome) for outcome in outcomes)
        assert len({id(outcome) for outcome in outcomes}) == 6

    async def test_one_answer_is_enough(self) -> None:
        """The others' errors come with it, at the same moment, and asyncio must not complain that nobody looked at them."""
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        hosts = tuple(("node", port) for port in range(20))

        class Lane:
            def __init__(self, host: Host) -> None:
                self.host = host

            def submit(self, call: Call) -> None:
                if self.host == hosts[7]:
                    call.resolve([[0, 16383, [b"node", 7]]])
                else:
                    call.fail(StoreUnavailable("down"))

            async def close(self) -> None:
                """Nothing to close."""

        cluster = Cluster(hosts, lambda host, *_: Lane(host))  # type: ignore[arg-type, return-value]
        (primary,) = await cluster.primaries()
        assert primary.host == hosts[7]  # type: ignore[attr-defined]
        await cluster.close()
        gc.collect()
        assert complaints == []
        asyncio.get_running_loop().set_exception_handler(None)

    async def test_a_server_without_cluster_mode(self, redis_url: str, make_client: MakeClient) -> None:
        """A wrong scheme in the URL is a wrong set-up."""
        with pytest.raises(StoreError, match="told which node") as failure:
            await make_client(redis_url.replace("redis://", "redis+cluster://").removesuffix("/0")).open()
        assert type(failure.value) is StoreError

    async def test_a_cluster_without_slots(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """A Cluster that is not set up yet is unavailable."""
        server, url = one_node
        server.answer = answering(b"*0\r\n", b"+OK\r\n")
        with pytest.raises(StoreUnavailable):
            await make_client(url).open()

    async def test_a_slot_that_nobody_serves(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """Its keys are unavailable, the others are not."""
        server, url = one_node
        server.answer = answering(slots((0, 100, "127.0.0.1", server.port)), b"+OK\r\n")
        client = make_client(url)
        assert await client.command("PING") == b"OK"
        with pytest.raises(StoreUnavailable, match="No node"):
            await client.command("GET", "a")  # slot 15495
        assert not client.same_node("a", "a")

    @pytest.mark.parametrize("host", ["", "?"])
    async def test_a_node_that_does_not_know_its_name(
        self, one_node: tuple[FakeServer, str], make_client: MakeClient, host: str
    ) -> None:
        """It is reached where it answered."""
        server, url = one_node
        server.answer = answering(slots((0, 16383, host, server.port)), b"+OK\r\n")
        assert await make_client(url).command("GET", "a") == b"OK"

    async def test_nodes_that_point_at_each_other(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """A MOVED without end ends as an error, soon."""
        server, url = one_node
        server.answer = answering(slots((0, 16383, "127.0.0.1", server.port)), b"-MOVED 15495 :%d\r\n" % server.port)
        with pytest.raises(StoreError):
            await make_client(url).command("GET", "a")
        assert len([words for words in server.commands if words[0] == b"GET"]) == 21

    @pytest.mark.lengthy
    async def test_commands_go_on_by_the_old_map(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """CLUSTERDOWN starts a look at the Cluster; while that brings nothing, the map at hand is used."""
        server, url = one_node
        client = make_client(url)
        await client.open()
        server.answer = answering(b"-LOADING\r\n", b"-CLUSTERDOWN Hash slot not served\r\n")
        latest = time.monotonic() + 5
        while server.commands.count([b"CLUSTER", b"SLOTS"]) < 3 and time.monotonic() < latest:
            with pytest.raises(StoreUnavailable):
                await client.command("GET", "a")
            await asyncio.sleep(0.01)
        server.answer = answering(b"-LOADING\r\n", b"+OK\r\n")
        await eventually(client, "a")
        assert len([words for words in server.commands if words[0] == b"GET"]) > 3

    async def test_a_hint_right_after_a_look_is_not_forgotten(
        self, one_node: tuple[FakeServer, str], fake_server: StartServer, make_client: MakeClient
    ) -> None:
        """A single MOVED is enough to learn of a new primary, for those too who follow the news of all of them."""
        first, url = one_node
        second = await fake_server(ok)
        client = make_client(url)
        await client.open()
        first.answer = answering(slots((0, 16383, "127.0.0.1", second.port)), b"-MOVED 15495 127.0.0.1:%d\r\n" % second.port)
        assert await client.command("GET", "a") == b"OK"
        latest = time.monotonic() + 5
        while [place for place, _ in await client.servers()] != [f"127.0.0.1:{second.port}"]:
            assert time.monotonic() < latest, "the new primary is not known"
            await asyncio.sleep(0.01)

    async def test_a_node_that_left_is_let_go(
        self, one_node: tuple[FakeServer, str], fake_server: StartServer, make_client: MakeClient
    ) -> None:
        """A look at the Cluster ends the connections to nodes that serve nothing any more."""
        first, url = one_node
        second = await fake_server(ok)
        client = make_client(url)
        await client.open()
        moved = slots((0, 16383, "127.0.0.1", second.port))
        first.answer = answering(moved, b"-MOVED 15495 127.0.0.1:%d\r\n" % second.port)
        latest = time.monotonic() + 5
        while first.open_connections and time.monotonic() < latest:
            assert {await client.command("GET", str(number)) for number in range(10)} == {b"OK"}
            await asyncio.sleep(0.01)
        assert first.open_connections == 0
        assert second.open_connections > 0

    async def test_closing_while_everything_waits(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """Commands that wait for the map or for a slot's move get their errors, and no task is left."""
        server, url = one_node
        server.answer = answering(slots((0, 16383, "127.0.0.1", server.port)), b"-TRYAGAIN later\r\n")
        client = make_client(url)
        trying = asyncio.create_task(client.command("GET", "a"))
        while not any(words[0] == b"GET" for words in server.commands):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.002)
        await client.close()
        with pytest.raises(StoreUnavailable):
            await trying
        assert tasks_of_the_package() == []

    async def test_closing_while_the_map_is_awaited(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """The first commands do not hang when the client is closed before it knows the Cluster."""
        server, url = one_node
        server.answer = answering(None, None)
        client = make_client(url)
        waiting = [asyncio.create_task(client.command("GET", "a")), asyncio.create_task(client.open())]
        await asyncio.sleep(0.01)
        await client.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
        assert tasks_of_the_package() == []

    async def test_closing_before_anything_was_asked(self, make_client: MakeClient) -> None:
        """A client that only answered a question from what it knows has nothing to end."""
        client = make_client("redis+cluster://127.0.0.1:1")
        assert client.same_node("{a}1", "{a}2")
        await client.close()
        assert tasks_of_the_package() == []

    @pytest.mark.lengthy
    async def test_too_many_wait_for_the_map(self, one_node: tuple[FakeServer, str], make_client: MakeClient) -> None:
        """The queue before the first map is bounded like every other."""
        server, url = one_node
        server.answer = answering(None, None)
        client = make_client(url)
        outcomes = await asyncio.gather(*(client.command("GET", "a") for _ in range(4097)), return_exceptions=True)
        assert sum("Too many" in str(outcome) for outcome in outcomes) == 1
        assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
