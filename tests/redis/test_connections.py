"""The driver's connections as the package sets them up: TLS, sockets, Sentinels, and letting go."""

import asyncio
import datetime
import gc
import ipaddress
import ssl
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio.sentinel import SentinelConnectionPool

from asgi_session.breaker import CircuitBreaker
from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.redis import RedisClient, Script
from asgi_session.redis.connections import Connections
from asgi_session.redis.url import parse_url
from tests.redis.conftest import MakeClient
from tests.redis.fake_server import FakeServer
from tests.services.ports import free_port
from tests.services.redis import RedisServer
from tests.services.sentinel import SERVICE, SentinelSetup

ADD = Script.from_package("tests.redis", "add.lua")


@dataclass
class TLSServer:
    server: RedisServer
    port: int
    certificate: Path

    def url(self, options: str = "") -> str:
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={self.certificate}{options}"


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[TLSServer]:
    """A Redis that speaks TLS under a certificate of its own for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file, port = tmp_path / "certificate.pem", tmp_path / "key.pem", free_port()
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    files = ("--tls-cert-file", str(certificate_file), "--tls-key-file", str(key_file), "--tls-ca-cert-file", str(certificate_file))
    server = RedisServer("--tls-port", str(port), *files, "--tls-auth-clients", "no")
    yield TLSServer(server.start(), port, certificate_file)
    server.stop()


@pytest.mark.redis
class TestTLS:
    async def test_commands_travel_over_tls(self, tls_server: TLSServer, make_client: MakeClient) -> None:
        """All connections of a client share one TLS context: reading the certificates takes longer than a command may."""
        client = make_client(tls_server.url())
        started = time.monotonic()
        batches = [asyncio.create_task(client.command("INCR", "n")) for _ in range(3)]
        for _ in range(30):
            batches.append(asyncio.create_task(client.command("INCR", "n")))
            await asyncio.sleep(0)
        assert sorted(await asyncio.gather(*batches)) == list(range(1, 34))
        assert time.monotonic() - started < 1

    async def test_an_unknown_certificate_is_not_accepted(self, tls_server: TLSServer, make_client: MakeClient) -> None:
        """Without the CA there is no connection, and the cause says why."""
        client = make_client(f"rediss://127.0.0.1:{tls_server.port}")
        with pytest.raises(StoreUnavailable) as failure:
            await client.open()
        assert "certificate" in str(failure.value.__cause__).lower()

    async def test_checks_can_be_switched_off(self, tls_server: TLSServer, make_client: MakeClient) -> None:
        """What the URL says goes to the TLS context."""
        client = make_client(f"rediss://localhost:{tls_server.port}?ssl_cert_reqs=none&ssl_check_hostname=no")
        assert await client.command("PING") == b"PONG"

    def test_a_new_event_loop_for_every_request(self, tls_server: TLSServer) -> None:
        """Under TLS, too, the old loop's connections are let go without complaint."""
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            client = RedisClient(tls_server.url())
            for number in range(1, 4):
                assert asyncio.run(client.command("INCR", "n")) == number
            del client
            gc.collect()
        assert [str(complaint.message) for complaint in complaints] == []

    def test_the_test_speaks_tls(self, tls_server: TLSServer) -> None:
        """The port is no plain one."""
        assert ssl.get_server_certificate(("127.0.0.1", tls_server.port)) == tls_server.certificate.read_text()


@pytest.mark.redis
async def test_commands_travel_over_a_socket(tmp_path: Path, make_client: MakeClient) -> None:
    """``unix://`` with a database of its own."""
    socket = tmp_path / "redis.sock"
    server = RedisServer("--unixsocket", str(socket)).start()
    try:
        client = make_client(f"unix://{socket}?db=3")
        assert await client.command("SET", "a", "x") == b"OK"
        assert server.cli.info("keyspace")["db3"]["keys"] == 1
    finally:
        server.stop()


class TestPool:
    @pytest.mark.security("ST-08")
    async def test_a_connection_that_was_not_greeted_to_the_end_is_closed(self) -> None:
        """What the driver trips over in the handshake leaves no connection that looks ready to the next one who asks."""
        async with FakeServer(greeting=b"+OK\r\n") as server:
            connections = to_server(server.url.replace("redis://", "redis://:password@"))
            with pytest.raises(AttributeError):
                await connections.acquire()
            assert [idle.is_connected for idle in connections.pool._available_connections] == [False]

    async def test_idle_connections_are_dropped_in_one_step(self) -> None:
        """Whoever takes one meanwhile connects it anew, and nobody closes it under their hands."""
        async with FakeServer() as server:
            connections, closed = to_server(server.url), asyncio.Event()
            idle: Any = await connections.acquire()
            idle._writer.wait_closed = closed.wait  # TLS takes its time for it
            await connections.release(idle)
            dropping = asyncio.create_task(connections.drop_idle())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            taken = await connections.acquire()
            closed.set()
            await dropping
            assert taken.is_connected
            await connections.close()


def to_server(url: str) -> Connections:
    """Connections to a fake server."""
    address = parse_url(url)
    return Connections.to_server(address, address.hosts[0], 0.3)


def watched_by(*ports: int) -> str:
    """The URL of the service with these Sentinels."""
    return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/{SERVICE}/0"


class TestSentinel:
    async def test_the_master_is_found(self, sentinel_url: str, make_client: MakeClient, namespace: str) -> None:
        """Scripts run on whoever is called the master."""
        client = make_client(sentinel_url)
        assert await client.run(ADD, [namespace], [1, ""]) == [namespace.encode(), 1, b""]
        assert SERVICE in repr(client)

    async def test_who_is_the_master_can_be_asked(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient
    ) -> None:
        """A connection is current as long as the Sentinels call its server the master."""
        ((_, connections),) = await make_client(sentinel_url).servers()
        connection = await connections.dedicated()
        assert await connections.is_current(connection)
        connection.port = sentinel.replica.port
        assert not await connections.is_current(connection)
        await connection.disconnect()

    @pytest.mark.parametrize(("says", "current"), [("another", False), ("nobody", True), ("an error", True)])
    @pytest.mark.security("LC-09")
    async def test_the_sentinels_have_to_agree(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient, says: str, current: bool
    ) -> None:
        """One that knows of another master may be the only one that does yet; one that knows of none, or fails, says nothing."""
        answers = {"another": b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n", "nobody": b"_\r\n", "an error": b"-ERR\r\n"}
        async with FakeServer(lambda _: answers[says]) as other:
            url = watched_by(*(each.port for each in sentinel.sentinels[:2]), other.port)
            ((_, connections),) = await make_client(url).servers()
            connection = await connections.dedicated()
            assert await connections.is_current(connection) is current
            await connection.disconnect()

    @pytest.mark.security("LC-09", "ST-15")
    async def test_a_connection_in_use_does_not_outlive_its_master(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once a new connection has met the next master, none goes back to the old one, which may still take itself for it."""
        ((_, connections),) = await make_client(sentinel_url).servers()
        busy = await connections.acquire()
        assert isinstance(connections.pool, SentinelConnectionPool)

        async def named(_service: str) -> tuple[str, int]:
            return "127.0.0.1", sentinel.replica.port

        monkeypatch.setattr(connections.pool.sentinel_manager, "discover_master", named)
        await (await connections.dedicated()).disconnect()
        await connections.release(busy)
        following = await connections.acquire()
        assert getattr(following, "port", None) == sentinel.replica.port
        await connections.release(following)
        await connections.close()

    @pytest.mark.parametrize(
        ("living", "dead", "current"), [(1, 0, True), (1, 1, False), (2, 1, True), (1, 2, False), (2, 2, False)]
    )
    @pytest.mark.security("LC-09")
    async def test_most_sentinels_have_to_be_reached(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient, living: int, dead: int, current: bool
    ) -> None:
        """A worker that is cut off with the old master may reach the Sentinel beside it; the others have chosen another by then."""
        ports = [each.port for each in sentinel.sentinels[:living]] + [free_port() for _ in range(dead)]
        ((_, connections),) = await make_client(watched_by(*ports)).servers()
        connection = await connections.dedicated()
        assert await connections.is_current(connection) is current
        await connection.disconnect()

    async def test_dead_sentinels_are_passed_over(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient
    ) -> None:
        """One that answers is enough, wherever it stands in the URL."""
        living = f"127.0.0.1:{sentinel.sentinels[1].port}"
        client = make_client(f"redis+sentinel://127.0.0.1:{free_port()},{living}/{SERVICE}/0")
        assert await client.command("PING") == b"PONG"

    @pytest.mark.security("AV-03")
    async def test_a_frozen_sentinel_leaves_time_for_the_others(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient
    ) -> None:
        """The one that was asked first says nothing; the next one is asked within the connect limit."""
        frozen = sentinel.sentinels[0]
        frozen.process.pause()
        try:
            client = make_client(sentinel_url)
            started = time.monotonic()
            assert await client.command("PING") == b"PONG"
            assert time.monotonic() - started < 1
        finally:
            frozen.process.resume()

    async def test_an_unknown_service_is_unavailable(self, sentinel_url: str, make_client: MakeClient) -> None:
        """The text names service and Sentinels."""
        client = make_client(sentinel_url.replace(SERVICE, "other"))
        with pytest.raises(StoreUnavailable, match="other"):
            await client.open()

    @pytest.mark.security("ST-15", "AV-01")
    async def test_a_failover_is_followed(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """After the hand-over, writes go to the new master and find what was written before."""
        client = make_client(sentinel_url, breaker=CircuitBreaker(reset_after=0.1))
        await client.run(ADD, [namespace], [1, ""])
        sentinel.master.cli.wait(1, 2000)  # replication is asynchronous
        await asyncio.to_thread(sentinel.failover)
        latest = time.monotonic() + 5
        while True:
            try:
                assert await client.run(ADD, [namespace], [1, ""]) == [namespace.encode(), 2, b""]
            except StoreUnavailable:
                assert time.monotonic() < latest
            else:
                break
        assert sentinel.master.cli.get(namespace) == "2"

    @pytest.mark.security("ST-15")
    async def test_a_demoted_master_is_left(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """A server that says READONLY loses the connection, and the Sentinels are asked again."""
        client = make_client(sentinel_url)
        await client.command("SET", namespace, "x")
        sentinel.master.cli.config_set("min-replicas-to-write", 0)
        before = sentinel.sentinels[0].cli.info("stats")["total_commands_processed"]
        sentinel.master.cli.replicaof("127.0.0.1", sentinel.replica.port)
        try:
            with pytest.raises(StoreUnavailable):
                await client.command("SET", namespace, "y")
            with pytest.raises(StoreUnavailable):
                await client.command("SET", namespace, "y")
        finally:
            sentinel.master.cli.replicaof("NO", "ONE")
        assert sentinel.sentinels[0].cli.info("stats")["total_commands_processed"] > before

    @pytest.mark.slow
    @pytest.mark.security("ST-15", "AV-01")
    async def test_a_killed_master_is_replaced(
        self, sentinel: SentinelSetup, sentinel_url: str, make_client: MakeClient, namespace: str
    ) -> None:
        """Unavailable until the Sentinels have chosen; nothing else is needed."""
        client = make_client(sentinel_url, breaker=CircuitBreaker(reset_after=0.1))
        await client.open()
        sentinel.master.kill()
        latest, unavailable = time.monotonic() + 20, 0
        while True:
            try:
                await client.command("SET", namespace, "x")
            except StoreUnavailable:
                assert time.monotonic() < latest
                unavailable += 1
                await asyncio.sleep(0.02)
            else:
                break
        assert unavailable > 0

    def test_a_new_event_loop_for_every_request(self, sentinel_url: str, namespace: str) -> None:
        """The connections to the Sentinels are let go as well."""
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            client = RedisClient(sentinel_url)
            for number in range(1, 4):
                assert asyncio.run(client.run(ADD, [namespace], [1, ""])) == [namespace.encode(), number, b""]
            del client
            gc.collect()
        assert [str(complaint.message) for complaint in complaints] == []

    async def test_a_wrong_sentinel_password_is_no_outage(self, own_redis: RedisServer, make_client: MakeClient) -> None:
        """Wrong credentials for the Sentinels are said to be just that."""
        own_redis.cli.config_set("requirepass", "right")
        client = make_client(f"redis+sentinel://127.0.0.1:{own_redis.port}/{SERVICE}?sentinel_password=wrong")
        with pytest.raises(StoreError):
            await client.open()
