"""The services are real, can be mistreated as the fault tests need it, and leave nothing behind."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.services.redis import RedisServer


@contextmanager
def _client(server: RedisServer) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=0.2)
    try:
        yield client
    finally:
        client.close()


class TestRedis:
    def test_url_is_emptied_for_each_test(self, redis_server: RedisServer, redis_url: str) -> None:
        """A test finds no key of an earlier one."""
        assert redis_url == redis_server.url
        assert redis_server.cli.dbsize() == 0

    def test_traffic_counts_commands_of_others_only(self, redis_server: RedisServer) -> None:
        """The helper's own INFO calls do not show in what it counts."""
        with _client(redis_server) as client:
            client.ping()
            with redis_server.traffic() as seen:
                client.set("a", "1")
                client.get("a")
        assert (seen.commands, seen.reads) == ({"set": 1, "get": 1}, 2)
        with redis_server.traffic() as seen:
            pass
        assert (seen.commands, seen.reads) == ({}, 0)

    def test_paused_server_answers_nothing_until_resumed(self, own_redis: RedisServer) -> None:
        """A frozen server keeps its connections and its data."""
        with _client(own_redis) as client:
            client.set("a", "1")
            own_redis.pause()
            try:
                client.get("a")
            except redis.TimeoutError:
                own_redis.resume()
            assert client.get("a") == "1"

    def test_restarted_server_is_empty_and_keeps_its_port(self, own_redis: RedisServer) -> None:
        """A restart after a kill is a new process at the old address."""
        before = own_redis.pid, own_redis.port
        own_redis.cli.set("a", "1")
        own_redis.restart()
        assert own_redis.port == before[1]
        assert own_redis.pid != before[0]
        assert own_redis.cli.get("a") is None

    def test_persistent_server_keeps_its_data_over_a_kill(self) -> None:
        """What was acknowledged is there after the restart."""
        server = RedisServer(persistent=True).start()
        try:
            server.cli.set("a", "1")
            server.restart()
            assert server.cli.get("a") == "1"
        finally:
            server.stop()

    def test_stop_leaves_neither_process_nor_folder(self) -> None:
        """Nothing of a service outlives it."""
        server = RedisServer().start()
        folder = server.process.folder
        server.stop()
        assert not server.process.running
        assert not folder.exists()
