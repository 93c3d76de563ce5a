"""Looks into the Redis of a store, past the store."""

from typing import Any

from asgi_session.ids import StoreKey
from asgi_session.record import EMPTY, NO_METADATA, Draft, Record
from asgi_session.session_cap import SessionCap
from asgi_session.stores.redis import RedisStore
from asgi_session.testing.base import fresh_key

DAY = 24 * 3600.0


async def make(
    store: RedisStore,
    user_id: str | None = None,
    *,
    idle: float = DAY,
    absolute: float = DAY,
    replaces: StoreKey | None = None,
    key: StoreKey | None = None,
    cap: SessionCap | None = None,
    **data: bytes,
) -> Record:
    """A session; its timeouts in seconds."""
    draft = Draft(user_id, idle, absolute, data or EMPTY, NO_METADATA, cap)
    return await store.create(key or fresh_key(store, user_id), draft, replaces=replaces)


async def keys(store: RedisStore) -> set[str]:
    """Every key of the server or Cluster, whoever's it is."""
    return {key async for key in store.client.scan("*")}


async def lives(store: RedisStore) -> dict[str, int]:
    """Milliseconds that each key has left; -1: for ever."""
    return {key: await store.client.command("PTTL", key) for key in await keys(store)}


async def content(store: RedisStore) -> dict[str, Any]:
    """Each key with all that it holds."""
    found = {}
    for key in await keys(store):
        kind = await store.client.command("TYPE", key)
        words = {b"hash": ("HGETALL", key), b"zset": ("ZRANGE", key, 0, -1), b"string": ("GET", key)}[kind]
        found[key] = await store.client.command(*words)
    return found
