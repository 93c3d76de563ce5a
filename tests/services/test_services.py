"""The services are real, can be mistreated as the fault tests need it, and leave nothing behind."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import redis

from tests.services.cluster import RedisCluster
from tests.services.keycloak import Keycloak
from tests.services.realm import Realm
from tests.services.redis import RedisServer
from tests.services.sentinel import SERVICE, SentinelSetup

if TYPE_CHECKING:
    from playwright.async_api import Page


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

    @pytest.mark.redis
    def test_persistent_server_keeps_its_data_over_a_kill(self) -> None:
        """What was acknowledged is there after the restart."""
        server = RedisServer(persistent=True).start()
        try:
            server.cli.set("a", "1")
            server.restart()
            assert server.cli.get("a") == "1"
        finally:
            server.stop()

    @pytest.mark.redis
    def test_stop_leaves_neither_process_nor_folder(self) -> None:
        """Nothing of a service outlives it."""
        server = RedisServer().start()
        folder = server.process.folder
        server.stop()
        assert not server.process.running
        assert not folder.exists()


class TestSentinel:
    def test_url_names_the_sentinels(self, sentinel: SentinelSetup, sentinel_url: str) -> None:
        """The store URL lists all three Sentinels and the service."""
        assert sentinel_url.startswith("redis+sentinel://127.0.0.1:")
        assert sentinel_url.count(",") == 2
        assert sentinel_url.endswith(f"/{SERVICE}/0")

    def test_failover_changes_the_master(self, sentinel: SentinelSetup) -> None:
        """After a failover on request the roles are swapped, and the data is still there."""
        old = sentinel.master
        old.cli.set("a", "1")
        sentinel.failover()
        assert sentinel.master is not old
        assert sentinel.master.cli.get("a") == "1"

    def test_killed_master_is_replaced_and_comes_back_as_replica(self, sentinel: SentinelSetup) -> None:
        """The Sentinels promote by themselves, and `heal` restores the set-up."""
        old = sentinel.master
        old.kill()
        sentinel.wait_promoted(old)
        sentinel.heal()
        assert sentinel.replica is old


class TestCluster:
    def test_a_client_reaches_every_slot(self, cluster: RedisCluster, cluster_url: str) -> None:
        """Keys spread over all three masters."""
        host = cluster_url.removeprefix("redis+cluster://").split(",")[0]
        with redis.RedisCluster.from_url(f"redis://{host}") as client:
            for number in range(30):
                client.set(f"key-{number}", number)
        sizes = [master.cli.dbsize() for master in cluster.masters]
        assert len(sizes) == 3
        assert sum(sizes) == 30
        assert 0 not in sizes

    def test_slot_migration_answers_ask_in_its_middle(self, cluster: RedisCluster) -> None:
        """Between begin and end of a migration the source redirects for keys that it has not."""
        slot = cluster.slot_of("{a}")
        cluster.master_of(slot).cli.set("{a}here", "1")
        with cluster.migrating(slot) as (source, target):
            assert source.cli.get("{a}here") == "1"
            with pytest.raises(redis.exceptions.AskError):
                source.cli.get("{a}elsewhere")
        assert cluster.master_of(slot) is target
        assert target.cli.get("{a}here") == "1"

    def test_failover_on_request_swaps_the_roles(self, cluster: RedisCluster) -> None:
        """The replica becomes the master of its slots."""
        slot = cluster.slot_of("a")
        old, new = cluster.master_of(slot), cluster.replica_of(slot)
        cluster.failover(slot)
        assert cluster.master_of(slot) is new
        assert cluster.replica_of(slot) is old

    def test_killed_master_is_replaced_and_comes_back_as_replica(self, cluster: RedisCluster) -> None:
        """The replica takes over by itself, and `heal` restores the set-up."""
        slot = cluster.slot_of("a")
        old = cluster.kill_master(slot)
        cluster.wait_promoted(slot, old)
        cluster.heal()
        assert cluster.replica_of(slot) is old


def _decoded(token: str, part: int) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[part] + "=="))
    return claims


class TestKeycloak:
    def test_issues_tokens_to_clients_and_users(self, realm: Realm) -> None:
        """Audience, roles and subject are those that the realm was given."""
        client = realm.create_client("api", audience="api")
        user = realm.create_user("ann", roles=("editor",))
        realm.grant_client_role(user, client, "writer")
        of_user = _decoded(realm.user_tokens(client, user)["access_token"], 1)
        of_client = _decoded(realm.client_tokens(client)["access_token"], 1)
        assert "api" in of_user["aud"]
        assert of_user["sub"] == user.uuid
        assert "editor" in of_user["realm_access"]["roles"]
        assert of_user["resource_access"]["api"]["roles"] == ["writer"]
        assert of_client["iss"] == of_user["iss"] == realm.issuer

    @pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
    def test_signs_with_the_algorithm_of_the_client(self, realm: Realm, algorithm: str) -> None:
        """The algorithm is a setting of the client."""
        client = realm.create_client(f"api-{algorithm}", algorithm=algorithm)
        assert _decoded(realm.client_tokens(client)["access_token"], 0)["alg"] == algorithm

    def test_rotates_keys(self, realm: Realm) -> None:
        """An added key signs at once beside the old one, and a disabled or removed key is no longer published."""
        client = realm.create_client("rotating")
        old = _decoded(realm.client_tokens(client)["access_token"], 0)["kid"]
        added = realm.add_key()
        new = _decoded(realm.client_tokens(client)["access_token"], 0)["kid"]
        assert old != new
        assert {old, new} <= set(realm.key_providers())
        realm.disable_key(realm.key_providers()[old])
        assert old not in realm.key_providers()
        realm.remove_key(added)
        assert new not in realm.key_providers()

    def test_logout_ends_the_sessions_of_a_user(self, realm: Realm) -> None:
        """Introspection and the refresh token know of the logout at once."""
        client, user = realm.create_client("leaving", audience="leaving"), realm.create_user("bob")
        tokens = realm.user_tokens(client, user)
        assert realm.introspect(client, tokens["access_token"])["active"] is True
        realm.logout_user(user)
        assert realm.introspect(client, tokens["access_token"])["active"] is False
        refused = realm.token_response(client, "refresh_token", refresh_token=tokens["refresh_token"])
        assert refused.json()["error"] == "invalid_grant"

    def test_can_be_frozen(self, keycloak: Keycloak) -> None:
        """A frozen one answers late. A test in tests/faults kills one of its own, and sees that nobody answers."""
        url = f"{keycloak.url}/realms/master"
        keycloak.pause()
        try:
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(url, timeout=0.2)
        finally:
            keycloak.resume()
        assert httpx.get(url, timeout=10).is_success


class TestBrowser:
    async def test_page_runs_scripts(self, page: "Page") -> None:
        """A page is rendered and its script runs."""
        await page.set_content("<h1>old</h1><script>document.querySelector('h1').textContent = 'new'</script>")
        assert await page.text_content("h1") == "new"
