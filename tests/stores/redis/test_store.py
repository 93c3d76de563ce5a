"""The Redis store keeps the contract on every kind of Redis."""

from collections.abc import Iterator

import pytest

from tests.stores.redis.contract import RedisStoreContract
from tests.support.fake_redis import fake_redis


@pytest.mark.security("ST-14")
@pytest.mark.lengthy
class TestFakeRedis(RedisStoreContract):
    """fakeredis: for other projects' tests. Its Lua takes its time."""

    operation_timeout = 10.0

    @pytest.fixture
    def url(self) -> Iterator[str]:
        with fake_redis() as url:
            yield url


@pytest.mark.security("ST-14")
class TestRedis(RedisStoreContract):
    """One server."""

    @pytest.fixture
    def url(self, redis_url: str) -> str:
        return redis_url


@pytest.mark.security("ST-14")
class TestSentinel(RedisStoreContract):
    """The master that the Sentinels name."""

    @pytest.fixture
    def url(self, sentinel_url: str) -> str:
        return sentinel_url


@pytest.mark.security("ST-14")
class TestCluster(RedisStoreContract):
    """Six nodes; the keys of a test lie on all masters."""

    @pytest.fixture
    def url(self, cluster_url: str) -> str:
        return cluster_url
