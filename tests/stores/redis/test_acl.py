"""The ACL user of docs/deployment.md may do what the package does, and nothing else."""

import asyncio
import re
import shlex
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

import asgi_session
from asgi_session.ids import StoreKey
from asgi_session.ratelimit.base import Permit, Quota, QuotaPolicy
from asgi_session.ratelimit.redis import RedisRateLimiter
from asgi_session.redis import RedisClient
from asgi_session.stores.base import SessionStore
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.redis.keys import Keys
from tests.services.cluster import RedisCluster
from tests.services.redis import RedisServer
from tests.stores.redis.contract import RedisStoreContract
from tests.stores.redis.inside import make

PAGE = Path(__file__).parents[3] / "docs" / "deployment.md"
PACKAGE = Path(asgi_session.__file__).parent
FROM_PYTHON = {
    "redis": {"ping", "eval", "evalsha", "scan", "subscribe"},
    "cluster": {"ping", "eval", "evalsha", "scan", "ssubscribe", "asking", "cluster|slots", "cluster|nodes"},
}
NOT_CALLED = {"redis": "spublish", "cluster": "publish"}


def documented(kind: str) -> list[str]:
    """The words of the page's command for a kind of Redis."""
    blocks = re.findall(r"```\n(ACL SETUSER .*?)```", PAGE.read_text(), re.S)
    server, cluster = (shlex.split(block.replace("\\\n", " ")) for block in blocks)
    return server if kind == "redis" else cluster


def allow(servers: Sequence[RedisServer], kind: str, namespace: str) -> None:
    """Make the user, for one namespace."""
    words = [word.replace("asgi_session:", f"{namespace}:") for word in documented(kind)]
    for server in servers:
        server.command("ACL", "LOG", "RESET")
        server.command(*words)


class Restricted(RedisStoreContract):
    """The whole contract as that user; time and foreign records are the operator's."""

    @pytest.fixture
    async def operator(self, admin_url: str, namespace: str) -> AsyncIterator[None]:
        self.admin = RedisStore(RedisClient(admin_url), namespace=namespace)
        yield
        await self.admin.stop()

    async def elapse(self, store: SessionStore, seconds: float) -> None:
        await super().elapse(self.admin, seconds)

    async def make_foreign(self, store: SessionStore, key: StoreKey) -> None:
        await super().make_foreign(self.admin, key)

    async def test_quotas_are_counted(self, store: RedisStore) -> None:
        """The limiter's script runs, with both strategies."""
        limiter = RedisRateLimiter(store.client, namespace=store.namespace)
        quotas = (Quota("q", 5, 60),)
        permits = [Permit(QuotaPolicy("a", quotas), "p"), Permit(QuotaPolicy("b", quotas, "moving"), "p")]
        assert [decision.remaining for decision in await limiter.acquire(permits)] == [4, 4]

    async def test_the_link_holds(self, store: RedisStore) -> None:
        """News can be followed."""
        link = store.link
        assert link is not None
        await link.start()
        try:
            latest = time.monotonic() + 10
            while not link.lease("000").until > 0:
                assert time.monotonic() < latest, "the link gave no lease"
                await asyncio.sleep(0.01)
        finally:
            await link.stop()


@pytest.mark.redis
class TestServer(Restricted):
    @pytest.fixture
    def admin_url(self, redis_url: str) -> str:
        return redis_url

    @pytest.fixture
    def url(self, redis_server: RedisServer, redis_url: str, namespace: str, operator: None) -> Iterator[str]:
        allow([redis_server], "redis", namespace)
        yield redis_url.replace("redis://", "redis://app:password@")
        denied = {entry["object"] for entry in redis_server.cli.acl_log()} - {"client|setinfo"}
        redis_server.command("ACL", "DELUSER", "app")
        assert denied == set()


@pytest.mark.cluster
class TestCluster(Restricted):
    @pytest.fixture
    def admin_url(self, cluster_url: str) -> str:
        return cluster_url

    @pytest.fixture
    def url(self, cluster: RedisCluster, cluster_url: str, namespace: str, operator: None) -> Iterator[str]:
        allow(cluster.nodes, "cluster", namespace)
        yield cluster_url.replace("redis+cluster://", "redis+cluster://app:password@")
        for node in cluster.nodes:
            node.command("ACL", "DELUSER", "app")

    async def test_a_slot_on_the_move(self, store: RedisStore, cluster: RedisCluster) -> None:
        """ASKING is allowed."""
        record = await make(store, a=b"1")
        slot = cluster.slot_of(Keys(store.namespace).session(record.key))
        with cluster.migrating(slot) as (source, target):
            cluster.move_keys(slot, source, target)
            assert await store.load(record.key) is not None


@pytest.mark.parametrize("kind", ["redis", "cluster"])
def test_the_page_grants_what_the_package_sends(kind: str) -> None:
    """Neither more nor less."""
    granted = {word.removeprefix("+") for word in documented(kind) if word.startswith("+")}
    scripts = "".join(path.read_text() for path in PACKAGE.rglob("*.lua"))
    called = {name.lower() for name in re.findall(r"redis\.p?call\(\s*'(\w+)'", scripts)}
    assert granted == called - {NOT_CALLED[kind]} | FROM_PYTHON[kind]
