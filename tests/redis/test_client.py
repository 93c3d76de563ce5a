"""The client on a real Redis, with real faults."""

import asyncio
import contextlib
import gc
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from asgi_session.breaker import CircuitBreaker
from asgi_session.exceptions import ConfigurationError, StoreError, StoreUnavailable
from asgi_session.redis import RedisClient, Script
from tests.redis.conftest import MakeClient
from tests.redis.fake_server import FakeServer
from tests.redis.leftovers import tasks_of_the_package
from tests.services.ports import free_port
from tests.services.process import wait_until
from tests.services.redis import RedisServer

ADD = Script.from_package("tests.redis", "add.lua")


async def until_it_answers(client: RedisClient, seconds: float = 10.0) -> None:
    """Returns when a command succeeds; what fails meanwhile must be unavailability."""
    latest = time.monotonic() + seconds
    while True:
        try:
            await client.command("PING")
        except StoreUnavailable:
            assert time.monotonic() < latest, "the client did not recover"
            await asyncio.sleep(0.02)
        else:
            return


class TestCommands:
    async def test_a_command_returns_what_redis_says(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """Bytes, numbers, nothing and maps, as RESP3 has them."""
        client = make_client(redis_url)
        assert await client.command("SET", namespace, b"\x00\xff") == b"OK"
        assert await client.command("GET", namespace) == b"\x00\xff"
        assert await client.command("GET", f"{namespace}-none") is None
        assert await client.command("INCRBY", f"{namespace}-n", 5) == 5
        assert await client.command("HSET", f"{namespace}-h", "ä", 1.5) == 1
        assert await client.command("HGETALL", f"{namespace}-h") == {"ä".encode(): b"1.5"}

    async def test_a_script_gets_keys_and_arguments(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """Strings, bytes and numbers go in; the first time costs a second trip, which nobody sees."""
        client = make_client(redis_url)
        assert await client.run(ADD, [namespace], [5, b"\xff"]) == [namespace.encode(), 5, b"\xff"]
        assert await client.run(ADD, [namespace], [-2, "x"]) == [namespace.encode(), 3, b"x"]

    async def test_a_script_without_keys(self, redis_url: str, make_client: MakeClient) -> None:
        """Neither keys nor arguments are needed."""
        assert await make_client(redis_url).run(Script("one", "return 1"), []) == 1

    async def test_a_turns_commands_are_one_read_for_the_server(
        self, own_redis: RedisServer, make_client: MakeClient, namespace: str
    ) -> None:
        """Fifty scripts that start together cost one round trip."""
        client = make_client(own_redis.url)
        await client.run(ADD, [namespace], [1, ""])
        with own_redis.traffic() as traffic:
            await asyncio.gather(*(client.run(ADD, [namespace], [1, ""]) for _ in range(50)))
        assert traffic.reads == 1
        assert traffic.commands == {"evalsha": 50, "incrby": 50}

    async def test_scripts_survive_a_flush(self, own_redis: RedisServer, make_client: MakeClient, namespace: str) -> None:
        """SCRIPT FLUSH under load: every run is done exactly once."""
        client = make_client(own_redis.url)
        for _ in range(20):
            own_redis.cli.script_flush()
            await asyncio.gather(*(client.run(ADD, [namespace], [1, ""]) for _ in range(20)))
        assert await client.command("GET", namespace) == b"400"

    async def test_a_wrong_type_is_an_error_without_values(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """The text names place and code, never a word of the command; the driver's error is chained."""
        client = make_client(redis_url)
        await client.command("SET", namespace, "secret-value")
        with pytest.raises(StoreError, match=r"refused a command \(WRONGTYPE\)") as failure:
            await client.command("LPUSH", namespace, "secret-value")
        assert type(failure.value) is StoreError
        assert namespace not in str(failure.value)
        assert failure.value.__cause__ is not None

    async def test_a_failing_script_is_an_error(self, redis_url: str, make_client: MakeClient) -> None:
        """A defect in a script is no outage."""
        with pytest.raises(StoreError) as failure:
            await make_client(redis_url).run(Script("bad", "return nil + 1"), [])
        assert type(failure.value) is StoreError

    async def test_what_can_not_be_sent_harms_only_its_sender(
        self, redis_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """A word of a wrong type is a TypeError for its caller; the same turn's other commands run."""
        client = make_client(redis_url)
        wrong: list[object] = [None, True, ["x"]]
        outcomes = await asyncio.gather(
            *(client.command("SET", namespace, word) for word in wrong),  # type: ignore[arg-type]
            client.command("SET", namespace, "right"),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [TypeError, TypeError, TypeError, bytes]

    async def test_every_primary_is_the_one_server(self, redis_url: str, make_client: MakeClient) -> None:
        """Without a Cluster there is one reply, and all keys are on one node."""
        client = make_client(redis_url)
        assert await client.on_every_primary("PING") == [b"PONG"]
        assert client.same_node("a", "b")
        assert not client.is_cluster

    async def test_the_servers_can_be_connected_to_otherwise(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """Whoever has to wait for messages gets a connection beside those for commands."""
        client = make_client(redis_url)
        ((place, connections),) = await client.servers()
        assert place in redis_url
        connection = await connections.dedicated()
        await connection.send_command("SUBSCRIBE", namespace)
        await connection.read_response(push_request=True)
        await client.command("PUBLISH", namespace, "hello")
        assert await connection.read_response(push_request=True) == [b"message", namespace.encode(), b"hello"]
        assert await connections.is_current(connection)
        await connection.disconnect()

    async def test_no_reference_cycle_is_left(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """Replies and errors alike leave the garbage collector nothing to do."""
        client = make_client(redis_url)

        async def use() -> None:
            await client.run(ADD, [namespace], [1, ""])
            with contextlib.suppress(StoreError):
                await client.command("LPUSH", namespace, 1)

        await use()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await use()
            assert gc.collect() == 0
        finally:
            gc.enable()

    async def test_a_scan_finds_every_key_that_matches(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """In steps, each of them a command of its own; nothing that matches is an empty walk."""
        client = make_client(redis_url)
        keys = {f"{namespace}:{{{number}}}:ключ" for number in range(300)}
        await asyncio.gather(*(client.command("SET", key, 1) for key in {*keys, "other"}))
        assert {key async for key in client.scan(f"{namespace}:{{*}}:*", step=50)} == keys
        assert [key async for key in client.scan("nothing:*")] == []

    async def test_a_scan_says_when_the_server_is_gone(self, make_client: MakeClient) -> None:
        """An outage is an error, never a short list."""
        client = make_client(f"redis://127.0.0.1:{free_port()}/0")
        with pytest.raises(StoreUnavailable):
            [key async for key in client.scan("*")]


class TestConcurrency:
    @pytest.mark.security("AV-07")
    async def test_a_thousand_commands_on_a_small_pool_all_succeed(
        self, redis_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """1,000 tasks, 4 connections: nobody is refused, nobody waits for ever."""
        client = make_client(redis_url, max_connections=4)

        async def one(number: int) -> object:
            await asyncio.sleep(number % 7 / 1000)
            return (await client.run(ADD, [f"{namespace}-{number}"], [number, ""]))[1]

        assert await asyncio.gather(*(one(number) for number in range(1000))) == list(range(1000))

    @pytest.mark.security("ST-08")
    async def test_ten_thousand_cancelled_callers_never_mix_up_replies(
        self, redis_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """Whatever is cancelled when: each caller that gets a reply gets its own, and each command runs once."""
        client = make_client(redis_url, max_connections=4, operation_timeout=5.0)
        chance = random.Random(8)
        cancelled = answered = 0

        async def one(number: int) -> None:
            marker = f"{namespace}-{number}"
            assert await client.run(ADD, [marker], [number, marker]) == [marker.encode(), number, marker.encode()]

        for start in range(0, 600_000, 60):
            tasks = [asyncio.create_task(one(number)) for number in range(start, start + 60)]
            victims = chance.sample(tasks, 50)
            while victims:
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                for _ in range(min(len(victims), chance.randrange(1, 25))):
                    victims.pop().cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                cancelled += isinstance(outcome, asyncio.CancelledError)
                answered += outcome is None
            assert cancelled + answered == start + 60
            if cancelled >= 10_000:
                break
        assert answered > 1000

    @pytest.mark.security("ST-08")
    async def test_a_server_that_is_late_now_and_then_never_mixes_up_replies(
        self, own_redis: RedisServer, make_client: MakeClient, namespace: str
    ) -> None:
        """Batches that exceed their limit take their connections with them: who is answered gets its own reply."""
        client = make_client(own_redis.url, operation_timeout=0.01, breaker=CircuitBreaker(failures=10**6))
        answered = late = 0
        for round_number in range(60):
            if round_number % 3 == 0:
                own_redis.cli.client_pause(15)
            keys = [f"{namespace}-{round_number}-{number}" for number in range(20)]
            outcomes = await asyncio.gather(*(client.run(ADD, [key], [1, key]) for key in keys), return_exceptions=True)
            for key, outcome in zip(keys, outcomes, strict=True):
                if isinstance(outcome, list):
                    assert outcome == [key.encode(), 1, key.encode()]
                    answered += 1
                else:
                    assert isinstance(outcome, StoreUnavailable)
                    late += 1
        assert min(answered, late) > 100

    async def test_a_cancelled_callers_command_still_runs(self, redis_url: str, make_client: MakeClient, namespace: str) -> None:
        """A client that goes away does not lose a commit that was on its way."""
        client = make_client(redis_url)
        await client.open()
        task = asyncio.create_task(client.command("SET", namespace, "kept"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await client.command("GET", namespace) == b"kept"


class TestFaults:
    @pytest.mark.security("AV-01", "AV-04")
    async def test_nobody_listens(self, make_client: MakeClient) -> None:
        """Refused at once, by the server first and then by the breaker, which tells when to come back."""
        client = make_client(f"redis://127.0.0.1:{free_port()}/0")
        for _ in range(client.breaker.failures):
            with pytest.raises(StoreUnavailable, match="can't be reached"):
                await client.command("PING")
        worst = 0.0
        for _ in range(20):
            started = time.perf_counter()
            with pytest.raises(StoreUnavailable) as refusal:
                await client.command("PING")
            worst = max(worst, time.perf_counter() - started)
            assert 0 < refusal.value.retry_after <= 2
        assert worst < 0.005

    @pytest.mark.security("AV-01", "AV-03")
    async def test_a_frozen_server_costs_the_limit_and_recovers(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """SIGSTOP: within 250 ms, then at once; after SIGCONT the client finds out by itself."""
        client = make_client(own_redis.url, breaker=CircuitBreaker(failures=2, reset_after=0.1))
        await client.command("SET", "a", "before")
        own_redis.pause()
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="in time"):
            await client.command("GET", "a")
        assert time.monotonic() - started < 0.4
        own_redis.resume()
        await until_it_answers(client)
        assert await client.command("GET", "a") == b"before"

    @pytest.mark.security("ST-08")
    async def test_a_late_reply_reaches_nobody(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """What the server says after the limit is not taken for the answer to the next command."""
        client = make_client(own_redis.url, breaker=CircuitBreaker(failures=1000), operation_timeout=0.05)
        await client.command("MSET", "a", "A", "b", "B")
        for _ in range(5):
            own_redis.pause()
            with pytest.raises(StoreUnavailable):
                await client.command("GET", "a")
            own_redis.resume()
            await until_it_answers(client)
            assert await asyncio.gather(*(client.command("GET", key) for key in "bab")) == [b"B", b"A", b"B"]

    @pytest.mark.security("AV-03")
    async def test_a_paused_server_costs_the_limit(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """CLIENT PAUSE, as a failover's hand-over does it."""
        client = make_client(own_redis.url, operation_timeout=0.1)
        await client.open()
        own_redis.cli.client_pause(400)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await client.command("GET", "a")
        assert time.monotonic() - started < 0.3
        await until_it_answers(client)

    @pytest.mark.security("AV-01", "ST-15")
    async def test_a_killed_server_comes_back_without_scripts(
        self, own_redis: RedisServer, make_client: MakeClient, namespace: str
    ) -> None:
        """Kill -9 under load: some commands are unavailable, none hangs or lies; after the restart all work."""
        client = make_client(own_redis.url, breaker=CircuitBreaker(reset_after=0.1))
        await client.run(ADD, [namespace], [1, ""])
        running = [asyncio.create_task(client.run(ADD, [namespace], [1, ""])) for _ in range(200)]
        own_redis.kill()
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(outcome, list | StoreUnavailable) for outcome in outcomes)
        with pytest.raises(StoreUnavailable):
            await client.command("PING")
        await asyncio.to_thread(own_redis.start)
        await until_it_answers(client)
        assert await client.run(ADD, [namespace], [1, ""]) == [namespace.encode(), 1, b""]

    async def test_a_restart_between_two_commands_is_not_noticed(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """Connections that died while idle are replaced before they are used."""
        client = make_client(own_redis.url)
        await client.open()
        await asyncio.to_thread(own_redis.restart)
        assert await client.command("PING") == b"PONG"

    async def test_connections_that_the_server_drops_are_replaced(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """CLIENT KILL, an idle timeout or a proxy between: the next command connects anew."""
        client = make_client(own_redis.url)
        await client.open()
        own_redis.cli.client_kill_filter(_type="normal", skipme=True)
        assert await client.command("PING") == b"PONG"

    @pytest.mark.security("ST-15")
    async def test_a_replica_takes_no_writes(self, own_redis: RedisServer, make_client: MakeClient, namespace: str) -> None:
        """READONLY, from a command and from within a script, is unavailability; it passes with the promotion."""
        client = make_client(own_redis.url)
        own_redis.cli.replicaof("127.0.0.1", free_port())
        own_redis.cli.config_set("replica-serve-stale-data", "yes")
        for attempt in (client.command("SET", namespace, 1), client.run(ADD, [namespace], [1, ""])):
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                await attempt
        own_redis.cli.replicaof("NO", "ONE")
        assert await client.command("SET", namespace, 1) == b"OK"
        assert client.breaker.state == "closed"

    @pytest.mark.security("ST-15")
    async def test_a_replica_without_its_master(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """MASTERDOWN is unavailability."""
        client = make_client(own_redis.url)
        own_redis.cli.config_set("replica-serve-stale-data", "no")
        own_redis.cli.replicaof("127.0.0.1", free_port())
        with pytest.raises(StoreUnavailable, match="its master is down"):
            await client.command("GET", "a")

    @pytest.mark.security("ST-15")
    async def test_a_full_server_takes_no_writes_but_reads(
        self, own_redis: RedisServer, make_client: MakeClient, namespace: str
    ) -> None:
        """OOM is unavailability for the writer only; the breaker stays closed."""
        client = make_client(own_redis.url, breaker=CircuitBreaker(failures=1))
        await client.command("SET", namespace, "x")
        own_redis.cli.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="out of memory"):
            await client.command("SET", namespace, "y")
        assert await client.command("GET", namespace) == b"x"

    @pytest.mark.security("ST-15")
    async def test_a_server_that_is_loading(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """LOADING is unavailability; it passes when the data are there."""
        client = make_client(own_redis.url, breaker=CircuitBreaker(reset_after=0.1))
        own_redis.cli.execute_command("DEBUG", "POPULATE", 3000)
        own_redis.cli.config_set("loading-process-events-interval-bytes", 1024)
        own_redis.cli.config_set("key-load-delay", 100)
        loading = asyncio.create_task(asyncio.to_thread(own_redis.cli.execute_command, "DEBUG", "RELOAD"))
        said: set[str] = set()
        while not loading.done():
            try:
                await client.command("GET", "a")
            except StoreUnavailable as error:
                said.add(str(error))
            await asyncio.sleep(0.01)
        await loading
        assert any("still loading" in text for text in said), said
        await until_it_answers(client)

    @pytest.mark.security("ST-15")
    async def test_a_server_that_is_busy_with_a_script(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """BUSY is unavailability; it passes when the script is killed."""
        client = make_client(own_redis.url, breaker=CircuitBreaker(failures=100))
        own_redis.cli.config_set("busy-reply-threshold", 50)
        with pytest.raises(StoreUnavailable, match="in time"):
            await client.run(Script("endless", "while true do end"), [])
        with pytest.raises(StoreUnavailable, match="busy with a long script"):
            await client.command("GET", "a")
        await client.command("SCRIPT", "KILL")
        await until_it_answers(client)


class TestCredentials:
    async def test_a_password_lets_in(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """Characters that a URL needs for itself are percent-encoded there."""
        own_redis.cli.config_set("requirepass", "p@ss/w?rd#")
        client = make_client(f"redis://:p%40ss%2Fw%3Frd%23@127.0.0.1:{own_redis.port}/0")
        assert await client.command("PING") == b"PONG"

    @pytest.mark.security("LG-01")
    @pytest.mark.parametrize("userinfo", ["", ":wrong-one@", "nobody:wrong-one@"])
    async def test_wrong_credentials_are_no_outage(self, own_redis: RedisServer, make_client: MakeClient, userinfo: str) -> None:
        """The text says what to check, and shows no password; the breaker does not hide it behind another text."""
        own_redis.cli.acl_setuser("default", enabled=True, reset_passwords=True, passwords=["+right-one"])
        client = make_client(f"redis://{userinfo}127.0.0.1:{own_redis.port}/0", breaker=CircuitBreaker(failures=1))
        for _ in range(3):
            with pytest.raises(StoreError, match="Check the URL's credentials") as failure:
                await client.open()
            assert type(failure.value) is StoreError
            assert "wrong-one" not in f"{failure.value} {client!r}"

    async def test_a_forbidden_command_is_an_error(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """NOPERM is a wrong set-up, no outage."""
        own_redis.cli.acl_setuser("small", enabled=True, passwords=["+pw"], commands=["+ping", "+client"])
        client = make_client(f"redis://small:pw@127.0.0.1:{own_redis.port}/0")
        await client.open()
        with pytest.raises(StoreError, match="ACL"):
            await client.command("GET", "a")


class TestLife:
    def test_nothing_is_loaded_before_it_is_used(self) -> None:
        """Importing and making a client loads no driver."""
        use = "import sys; from asgi_session.redis import RedisClient; RedisClient('redis://h')"
        code = f"{use}; print(sorted({{'redis', 'hiredis'}} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    async def test_opening_twice_is_harmless(self, redis_url: str, make_client: MakeClient) -> None:
        """``open`` may be called by everybody who needs the client."""
        client = make_client(redis_url)
        await client.open()
        await client.open()
        assert await client.command("PING") == b"PONG"

    async def test_a_client_that_could_not_open_works_later(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """A server that is down at the start does not have to be up before the application."""
        client = make_client(own_redis.url)
        own_redis.kill()
        with pytest.raises(StoreUnavailable):
            await client.open()
        await asyncio.to_thread(own_redis.start)
        assert await client.command("PING") == b"PONG"

    async def test_a_closed_client_says_so_and_can_be_opened_again(self, redis_url: str, make_client: MakeClient) -> None:
        """Stragglers after the shutdown open no new connections."""
        client = make_client(redis_url)
        await client.open()
        await client.close()
        await client.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await client.command("PING")
        assert (await client.health()).state == "down"
        await client.open()
        assert await client.command("PING") == b"PONG"

    async def test_closing_leaves_nothing(self, own_redis: RedisServer) -> None:
        """What is on its way is answered; then there is no task, and the server sees no connection."""
        client = RedisClient(own_redis.url)
        running = [asyncio.create_task(client.command("INCR", "n")) for _ in range(100)]
        await asyncio.sleep(0)
        await client.close()
        assert sorted(await asyncio.gather(*running)) == list(range(1, 101))
        assert tasks_of_the_package() == []
        await asyncio.to_thread(wait_until, lambda: len(own_redis.cli.client_list()) == 1, "only the test is connected", seconds=5)

    async def test_a_client_with_problems_refuses_to_work(self, make_client: MakeClient) -> None:
        """All of them are told at once, the password in none."""
        client = make_client("redis://:secret@h/x", connect_timeout=0, operation_timeout=-1, max_connections=0)
        fields = ["url", "connect_timeout", "operation_timeout", "max_connections"]
        assert [problem.field for problem in client.problems()] == fields
        with pytest.raises(ConfigurationError) as failure:
            await client.open()
        assert "secret" not in f"{failure.value} {client!r}"

    def test_the_defaults_have_no_problems(self) -> None:
        """A URL is all that is needed."""
        assert RedisClient("redis://h").problems() == []

    def test_a_new_event_loop_for_every_request(self, redis_url: str, namespace: str) -> None:
        """Test clients without lifespan do that: the client follows, and nothing unclosed is left to complain about."""
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            use_on_three_loops(RedisClient(redis_url), namespace, asyncio.new_event_loop)
            gc.collect()
        assert [str(complaint.message) for complaint in complaints] == []

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_a_new_uvloop_for_every_request(self, redis_url: str, namespace: str) -> None:
        """The same on uvloop, which complains about every socket that a loop still has at its end."""
        use_on_three_loops(RedisClient(redis_url), namespace, uvloop.new_event_loop)
        gc.collect()

    def test_closing_on_another_event_loop(self, redis_url: str) -> None:
        """The connections of the first loop are let go."""
        client = RedisClient(redis_url)
        asyncio.run(client.open())
        asyncio.run(client.close())

    async def test_moving_to_another_thread_while_the_first_loop_runs(self, redis_url: str, make_client: MakeClient) -> None:
        """The first loop itself closes what belonged to it."""
        client = make_client(redis_url)
        await client.open()

        async def use_and_close() -> None:
            await client.open()
            await client.close()

        await asyncio.to_thread(asyncio.run, use_and_close())
        await asyncio.sleep(0)
        await client.open()


class TestHealth:
    async def test_a_server_that_answers_is_healthy(self, redis_url: str, make_client: MakeClient) -> None:
        """The latency is that of a PING."""
        health = await make_client(redis_url).health()
        assert (health.state, health.detail) == ("healthy", "1 of 1 servers answer.")
        assert 0 < health.latency < 0.25

    async def test_a_server_that_is_gone_is_down(self, make_client: MakeClient) -> None:
        """``health`` never raises; it says where and why."""
        port = free_port()
        health = await make_client(f"redis://127.0.0.1:{port}/0").health()
        assert health.state == "down"
        assert str(port) in health.detail

    async def test_asking_does_not_wait_for_a_server_that_is_left_alone(
        self, fake_server: Callable[..., Awaitable[FakeServer]], make_client: MakeClient
    ) -> None:
        """With the breaker open, the answer is there at once."""
        server = await fake_server(lambda _: None)
        client = make_client(server.url, breaker=CircuitBreaker(failures=1))
        await client.health()
        started = time.monotonic()
        assert (await client.health()).state == "down"
        assert time.monotonic() - started < 0.005


def use_on_three_loops(client: RedisClient, key: str, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Lets every loop run a batch and a command, and ends it without closing the client."""
    for number in range(1, 4):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(together(*(client.run(ADD, [key], [1, ""]) for _ in range(20))))
            assert runner.run(client.command("GET", key)) == b"%d" % (20 * number)


async def together(*awaitables: Awaitable[object]) -> list[object]:
    """``asyncio.gather`` as a coroutine, which is what a runner runs."""
    return list(await asyncio.gather(*awaitables))
