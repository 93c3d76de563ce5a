"""How long a process believes in a session that is revoked the moment another server has become Redis's master."""

from collections.abc import Callable, Iterator

from benchmarks.children import Child
from benchmarks.lab import Lab
from tests.services.process import wait_until
from tests.services.redis import RedisServer
from tests.services.sentinel import SERVICE, SentinelSetup

FAULTS: dict[str, Callable[[SentinelSetup], object]] = {
    "failover: master killed (kill -9)": lambda setup: setup.master.kill(),
    "failover: master frozen (SIGSTOP)": lambda setup: setup.master.pause(),
    "failover: master relieved (SENTINEL FAILOVER)": lambda setup: setup.sentinels[0].cli.sentinel_failover(SERVICE),
}
"""How a master goes, by the name that the tables show."""


def measure(lab: Lab, trials: int) -> Iterator[tuple[str, list[float]]]:
    """Seconds of each trial, for each way in which a master goes."""
    setup = SentinelSetup()
    try:
        lab.step("starting Redis and its Sentinels")
        setup.start()
        with (
            lab.child("benchmarks.roles.sessions:Reader") as reader,
            lab.child("benchmarks.roles.sessions:Revoker") as revoker,
        ):
            reader.call("open", redis_url=setup.url)
            for case, fault in lab.scaled(list(FAULTS.items()), list(FAULTS.items())[:1]):
                latencies = []
                for number in range(trials):
                    lab.step(f"{case}: {number} of {trials}")
                    latencies.append(_trial(setup, fault, reader, revoker))
                    setup.heal()
                yield case, latencies
            reader.call("close")
    finally:
        setup.stop()


def _trial(setup: SentinelSetup, fault: Callable[[SentinelSetup], object], reader: Child, revoker: Child) -> float:
    """From the call of revoke on the new master, which follows at once, to the last answer with the session."""
    successor = setup.replica
    revoker.call("open", redis_url=setup.master.url)
    credential = revoker.call("create")
    revoker.call("close")
    reader.call("know", credential=credential)
    setup.catch_up()
    reader.tell("until_gone", credential=credential, pause=0.001)
    fault(setup)
    wait_until(lambda: _is_master(successor), "the replica is promoted", seconds=30)
    revoker.call("open", redis_url=successor.url)
    asked, _ = revoker.call("revoke", credential=credential)
    believed = reader.answer()
    revoker.call("close")
    return max(0.0, float(believed) - float(asked))


def _is_master(server: RedisServer) -> bool:
    return bool(server.cli.info("replication")["role"] == "master")
