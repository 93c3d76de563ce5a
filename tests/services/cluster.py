"""A Redis Cluster of three masters with a replica each."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, cast

from tests.services.ports import free_port
from tests.services.process import wait_until
from tests.services.redis import RedisServer

SLOTS = 16384


class ClusterNode(RedisServer):
    """One node; its place in the cluster survives a restart, its data does not."""

    def __init__(self, node_timeout_ms: int) -> None:
        self.bus_port = free_port()
        super().__init__(
            *("--cluster-enabled", "yes", "--cluster-port", str(self.bus_port)),
            *("--cluster-node-timeout", str(node_timeout_ms)),
            *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
            # Nodes do not name a replica until its stream has brought it a first byte.
            *("--repl-ping-replica-period", "1"),
            name="cluster-node",
        )

        self.node_id = secrets.token_hex(20)

    @property
    def is_master(self) -> bool:
        return bool(self.cli.info("replication")["role"] == "master")

    def cluster_info(self) -> dict[str, str]:
        """The node's view of the whole."""
        return cast("dict[str, str]", self.command("CLUSTER INFO"))

    def slots(self) -> Iterator[tuple[int, int, list[str]]]:
        """The node's view of who serves what: first slot, last slot, node ids with the master's first."""
        for first, last, *nodes in self.command("CLUSTER SLOTS"):
            yield first, last, [node[2] for node in nodes]


class RedisCluster:
    """Six nodes, all slots served, one replica for each master; a node silent for 2 s is failing."""

    def __init__(self, node_timeout_ms: int = 2000) -> None:
        self.nodes = [ClusterNode(node_timeout_ms) for _ in range(6)]

    @property
    def url(self) -> str:
        """The cluster as the package's store URL."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def masters(self) -> list[ClusterNode]:
        """The running nodes that serve slots."""
        return [node for node in self.nodes if node.process.running and node.is_master]

    def start(self) -> Self:
        """Start the nodes; return when all say ok.

        Each starts with the finished table of nodes, because to have them meet and hand out slots takes 10 s.
        """
        for node in self.nodes:
            (node.process.folder / "nodes.conf").write_text(self._table(seen_by=node))
            node.start()
        self.wait_ok()
        return self

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.stop()

    def flush(self) -> None:
        """Delete every key."""
        for master in self.masters:
            master.cli.flushall()

    def slot_of(self, key: str) -> int:
        """The slot that a key belongs to."""
        return int(self.nodes[0].command("CLUSTER KEYSLOT", key))

    def master_of(self, slot: int) -> ClusterNode:
        """The node that serves a slot."""
        return self._owners(slot)[0]

    def replica_of(self, slot: int) -> ClusterNode:
        """A replica of the node that serves a slot."""
        return self._owners(slot)[1]

    def failover(self, slot: int) -> None:
        """Let a replica take over in agreement with its master: no write is lost."""
        old, new = self.master_of(slot), self.replica_of(slot)
        new.command("CLUSTER FAILOVER")
        self.wait_promoted(slot, old)
        self.wait_ok()

    def kill_master(self, slot: int) -> ClusterNode:
        """Kill the node that serves a slot; its replica takes over after the node timeout (see `wait_promoted`)."""
        node = self.master_of(slot)
        node.kill()
        return node

    @contextmanager
    def no_promotion(self) -> Iterator[None]:
        """Within the block no replica takes over from a dead node, however long the block takes."""
        with self.configured("cluster-replica-no-failover", "yes"):
            yield

    @contextmanager
    def configured(self, name: str, value: str) -> Iterator[None]:
        """Within the block all nodes have another setting; who dies in it has forgotten it anyway."""
        nodes = [node for node in self.nodes if node.process.running]
        (before,) = {node.cli.config_get(name)[name] for node in nodes}
        for node in nodes:
            node.cli.config_set(name, value)
        try:
            yield
        finally:
            for node in nodes:
                if node.process.running:
                    node.cli.config_set(name, before)

    def wait_promoted(self, slot: int, old: ClusterNode) -> None:
        """Return when every running node takes another node than `old` for the slot's master."""
        others = [node for node in self.nodes if node is not old and node.process.running]

        def promoted() -> bool:
            return all(self._owners(slot, seen_by=node)[:1] not in ([], [old]) for node in others)

        wait_until(promoted, f"another node serves slot {slot}", seconds=30)

    def heal(self) -> None:
        """Bring back what a test killed or froze; nothing to do costs a few milliseconds."""
        for node in self.nodes:
            if node.process.running:
                node.resume()
            else:
                node.start()
        self.wait_ok()

    @contextmanager
    def migrating(self, slot: int) -> Iterator[tuple[ClusterNode, ClusterNode]]:
        """Move a slot to another master, with the block run in the middle of it: yields (source, target).

        Inside the block the source answers ASK for keys that it has not; `move_keys` moves those that it has.
        """
        source = self.master_of(slot)
        target = next(node for node in self.masters if node is not source)
        target.command("CLUSTER SETSLOT", slot, "IMPORTING", source.node_id)
        source.command("CLUSTER SETSLOT", slot, "MIGRATING", target.node_id)
        yield source, target
        self.move_keys(slot, source, target)
        # The target first: it raises the epoch, and the source may not lose the slot before somebody owns it.
        for node in (target, source, *(node for node in self.masters if node not in (source, target))):
            node.command("CLUSTER SETSLOT", slot, "NODE", target.node_id)
        wait_until(
            lambda: all(self._owners(slot, seen_by=node)[0] is target for node in self.nodes),
            f"every node knows the new owner of slot {slot}",
            seconds=20,
        )

    def migrate_slot(self, slot: int) -> None:
        """Move a slot with its keys to another master."""
        with self.migrating(slot):
            pass

    def move_keys(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Move the slot's keys, within a migration."""
        while keys := source.command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def wait_ok(self) -> None:
        """Return when every node sees all slots served and each master's replica up to date."""
        wait_until(lambda: all(self._ok(node) for node in self.nodes), "every cluster node says ok", seconds=60)

    def _ok(self, node: ClusterNode) -> bool:
        if node.cluster_info()["cluster_state"] != "ok":
            return False
        if any(len(ids) < 2 for _, _, ids in node.slots()):
            return False
        replication = node.cli.info("replication")
        if replication["role"] == "master":
            return sum(1 for name in replication if name.startswith("slave")) == 1
        return bool(replication["master_link_status"] == "up")

    def _table(self, seen_by: ClusterNode) -> str:
        """The first contents of a node's nodes.conf: three masters that share the slots, and a replica for each."""
        lines = []
        for number, (master, replica) in enumerate(zip(self.nodes[:3], self.nodes[3:], strict=True)):
            first, last, epoch = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1, number + 1
            places = (
                (master, f"master - 0 0 {epoch} connected {first}-{last}"),
                (replica, f"slave {master.node_id} 0 0 {epoch} connected"),
            )
            for node, place in places:
                flags = f"myself,{place}" if node is seen_by else place
                lines.append(f"{node.node_id} 127.0.0.1:{node.port}@{node.bus_port} {flags}")
        return "\n".join([*lines, "vars currentEpoch 3 lastVoteEpoch 0", ""])

    def _owners(self, slot: int, seen_by: ClusterNode | None = None) -> list[ClusterNode]:
        """Master and replicas of a slot, as one node sees them."""
        witness = seen_by or next(node for node in self.nodes if node.answers())
        by_id = {node.node_id: node for node in self.nodes}
        return next(([by_id[node_id] for node_id in ids] for first, last, ids in witness.slots() if first <= slot <= last), [])
