"""A store by its URL."""

import subprocess
import sys

import pytest

from asgi_session.exceptions import Problem
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from asgi_session.stores.urls import REDIS_SCHEMES, store_from_url


def test_memory_url() -> None:
    """Each call makes a store of its own."""
    first, second = store_from_url("memory://"), store_from_url("memory://")
    assert isinstance(first, MemoryStore)
    assert first is not second


@pytest.mark.parametrize("scheme", REDIS_SCHEMES)
def test_redis_url(scheme: str) -> None:
    """Every way to reach a Redis makes the same kind of store, without connecting."""
    rest = {"unix": "/run/redis.sock"}.get(scheme, "127.0.0.1:1/mymaster" if "sentinel" in scheme else "127.0.0.1:1")
    store = store_from_url(f"{scheme}://{rest}")
    assert isinstance(store, RedisStore)
    assert store.problems() == []
    assert store.client.is_cluster is ("cluster" in scheme)


@pytest.mark.parametrize("url", ["localhost:6379", "", "/run/redis.sock"])
def test_url_without_scheme(url: str) -> None:
    """The problem shows how a URL is written, and not what was given: it may hold a password."""
    problem = store_from_url(url)
    assert isinstance(problem, Problem)
    assert "redis://host:6379/0" in problem.fix


def test_unknown_scheme() -> None:
    """The problem lists what there is."""
    problem = store_from_url("mongodb://user:canary@host")
    assert isinstance(problem, Problem)
    assert "mongodb" in problem.message
    assert "memory://" in problem.fix
    assert "canary" not in str(problem)


@pytest.mark.parametrize("namespace", ["", "a b", "a:b", "{tag}", "a*", "n" * 65, "naïve"])
def test_a_namespace_that_would_break_keys_is_a_problem(namespace: str) -> None:
    """Hash tags and patterns are the store's own."""
    store = store_from_url("redis://127.0.0.1:1")
    assert isinstance(store, RedisStore)
    [problem] = RedisStore(store.client, namespace=namespace).problems()
    assert problem.field == "store.namespace"


def test_memory_needs_no_driver() -> None:
    """Whoever keeps sessions in memory never pays for importing Redis."""
    code = "import sys, asgi_session.stores.urls as urls; urls.store_from_url('memory://'); print('redis' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
