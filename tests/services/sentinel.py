"""A Redis master and its replica, watched by three Sentinels."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import redis

from tests.services.ports import free_port
from tests.services.process import ServiceProcess, program, wait_until
from tests.services.redis import RedisServer

SERVICE = "mymaster"
_DOWN_AFTER = 1000
_FAST_REPLICATION = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")


class Sentinel:
    """One Sentinel process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.runid = secrets.token_hex(20)
        self.process = ServiceProcess("sentinel", [program("redis-server"), "sentinel.conf", "--sentinel"])
        self.cli = redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=5)

    def start(self, master: RedisServer, replica: RedisServer, others: list["Sentinel"]) -> None:
        """Start watching. The parties are named at once, because to discover each other takes them many seconds."""
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel myid {self.runid}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel known-replica {SERVICE} 127.0.0.1 {replica.port}",
            *(f"sentinel known-sentinel {SERVICE} 127.0.0.1 {other.port} {other.runid}" for other in others),
        ]
        (self.process.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        self.process.start()
        self.process.wait_ready(self._knows_replica, seconds=20)
        # Roles and links are re-read every 10 s by default, which would make each failover take 20 s to settle. And who has just
        # been told of a new master asks it only after a whole period: were that as long as the silence that makes it dead, some
        # would call it dead before they asked, and go back to the old one.
        periods = ("info-period", 500, "publish-period", 500, "ping-period", 200)
        self.cli.execute_command("SENTINEL DEBUG", *periods)  # type: ignore[no-untyped-call]

    def state(self) -> dict[str, Any]:
        """What this Sentinel thinks of the master."""
        return cast("dict[str, Any]", self.cli.sentinel_master(SERVICE))

    def named_master(self) -> int:
        """The port of the master, as this Sentinel tells clients."""
        address = cast("tuple[str, int]", self.cli.sentinel_get_master_addr_by_name(SERVICE))
        return address[1]

    def replicas(self) -> list[dict[str, Any]]:
        """What this Sentinel thinks of the master's replicas."""
        return self.cli.sentinel_slaves(SERVICE)

    def stop(self) -> None:
        """End the process."""
        self.process.stop()
        self.cli.close()

    def _knows_replica(self) -> bool:
        try:
            return bool(self.state()["num-slaves"] == 1)
        except redis.RedisError:
            return False


class SentinelSetup:
    """Master, replica and three Sentinels: quorum 2, a master silent for 1 s is down."""

    def __init__(self) -> None:
        first = RedisServer(*_FAST_REPLICATION, name="sentinel-data")
        second = RedisServer(*_FAST_REPLICATION, name="sentinel-data")
        self.servers = (first, second)
        self.sentinels = [Sentinel() for _ in range(3)]

    @property
    def url(self) -> str:
        """The set-up as the package's store URL."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def master(self) -> RedisServer:
        """The server that the Sentinels name as master now."""
        port = self.sentinels[0].named_master()
        return next(server for server in self.servers if server.port == port)

    @property
    def replica(self) -> RedisServer:
        """The other server."""
        return next(server for server in self.servers if server is not self.master)

    def start(self) -> Self:
        """Start everything; return when a failover could happen."""
        master, replica = self.servers
        for server in self.servers:
            server.start()
        self._replicate(master, replica)
        for sentinel in self.sentinels:
            sentinel.start(master, replica, [other for other in self.sentinels if other is not sentinel])
        self._wait_settled(seconds=20)
        return self

    def failover(self) -> None:
        """Ask for a failover that loses no write; return when every Sentinel names the new master and the old one follows it."""
        old = self.master
        self.catch_up()
        self.sentinels[0].cli.sentinel_failover(SERVICE)
        self.wait_promoted(old)
        self._wait_settled(seconds=30)

    def catch_up(self) -> None:
        """Return when the replica has every write: after a sync its link is up some time before it is sent the next ones."""
        written, replica = self.master.cli.info("replication")["master_repl_offset"], self.replica
        wait_until(
            lambda: replica.cli.info("replication")["master_repl_offset"] >= written, "the replica has every write", seconds=10
        )

    def wait_promoted(self, old: RedisServer) -> None:
        """Return when every Sentinel names another master than `old` (after `master.kill()` or `master.pause()`)."""
        wait_until(lambda: old.port not in self._named_masters(), "another master is promoted", seconds=30)
        wait_until(lambda: self._role(self.master) == "master", "the new master takes its role", seconds=10)

    @contextmanager
    def no_promotion(self) -> Iterator[None]:
        """Within the block a master that is dead stays the master, however long the block takes."""
        self._call_dead_after(600_000)
        try:
            yield
        finally:
            self._call_dead_after(_DOWN_AFTER)

    def heal(self) -> None:
        """Bring back what a test killed or froze; nothing to do costs a few milliseconds."""
        for server in self.servers:
            if server.process.running:
                server.resume()
            else:
                server.start()
        wait_until(lambda: len(self._named_masters()) == 1, "the Sentinels agree on one master", seconds=30)
        wait_until(lambda: self._role(self.master) == "master", "the master knows its role", seconds=30)
        if self._role(self.replica) == "master":
            self._replicate(self.master, self.replica)
        self._wait_settled(seconds=30)

    def stop(self) -> None:
        """End everything."""
        for sentinel in self.sentinels:
            sentinel.stop()
        for server in self.servers:
            server.stop()

    def _replicate(self, master: RedisServer, replica: RedisServer) -> None:
        replica.cli.replicaof("127.0.0.1", master.port)
        wait_until(lambda: replica.cli.info("replication").get("master_link_status") == "up", "replication", seconds=20)

    def _call_dead_after(self, milliseconds: int) -> None:
        for sentinel in self.sentinels:
            words = ("SENTINEL SET", SERVICE, "down-after-milliseconds", milliseconds)
            sentinel.cli.execute_command(*words)  # type: ignore[no-untyped-call]

    def _named_masters(self) -> set[int]:
        return {sentinel.named_master() for sentinel in self.sentinels}

    def _role(self, server: RedisServer) -> str:
        return str(server.cli.info("replication")["role"])

    def _wait_settled(self, seconds: float) -> None:
        wait_until(self._settled, "Sentinels, master and replica agree", seconds=seconds)

    def _settled(self) -> bool:
        if len(self._named_masters()) != 1:
            return False
        following = self.replica.cli.info("replication")
        if (following.get("master_port"), following.get("master_link_status")) != (self.master.port, "up"):
            return False
        return all(self._fit_for_failover(sentinel) for sentinel in self.sentinels)

    def _fit_for_failover(self, sentinel: Sentinel) -> bool:
        master, replicas = sentinel.state(), sentinel.replicas()
        calm = master["flags"] == "master" and all(replica["flags"] == "slave" for replica in replicas)
        return calm and master["num-other-sentinels"] == 2 and replicas[0]["master-link-status"] == "ok"
