"""What a session of 300 B of data costs Redis in memory, with its share of the index (design.md §6: at most 1.5 kB).

Redis keeps a hash in one packed block as long as none of its values is longer than ``hash-max-listpack-value``, 64 bytes unless
the server is told otherwise, and in a table from then on. So the budget holds for sessions of small values, and for all of them
where that option is 1024; a session with a longer value takes 2.0 kB on a server that was left as it comes.
"""

from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from asgi_session.record import Draft
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from asgi_session.testing.base import fresh_key
from tests.services.redis import RedisServer
from tests.stores.redis.inside import DAY

SESSIONS = 4000
METADATA = {"network": "198.51.100.0/24", "user_agent": "Firefox 1a2b3c4d", "fingerprint": "x" * 46}
"""As a login from a browser leaves it."""
SMALL = {f"key {number}": b'"%s"' % (b"x" * 52) for number in range(5)}
LARGE = {"cart": b'[{"id":123456,"count":2},{"id":654321,"count":1}]' * 4, "locale": b'"de-CH"', "csrf": b'"%s"' % (b"x" * 85)}


@pytest.fixture
async def own_store(own_redis: RedisServer) -> AsyncIterator[RedisStore]:
    """A store on a server of its own, whose memory nobody else uses."""
    store = RedisStore(RedisClient(own_redis.url))
    await store.start()
    yield store
    await store.stop()


@pytest.mark.parametrize(
    ("data", "packed_up_to", "budget"),
    [(SMALL, 64, 1500), (LARGE, 1024, 1500), (LARGE, 64, 2100)],
    ids=["small", "packed", "table"],
)
async def test_a_session_stays_within_its_budget(
    own_store: RedisStore,
    own_redis: RedisServer,
    record_property: Callable[[str, object], None],
    data: dict[str, bytes],
    packed_up_to: int,
    budget: int,
) -> None:
    """Each of a user of its own; measured by the server's own count of its memory."""
    assert 280 < sum(len(key) + len(value) for key, value in data.items()) < 310
    own_redis.command("CONFIG", "SET", "hash-max-listpack-value", packed_up_to)
    before = used_memory(own_redis)
    for number in range(SESSIONS):
        user = f"user-{number}@example.org"
        await own_store.create(fresh_key(own_store, user), Draft(user, DAY, DAY, data, METADATA))
    each = (used_memory(own_redis) - before) / SESSIONS
    record_property("bytes_per_session", round(each))
    assert each <= budget


def used_memory(server: RedisServer) -> int:
    """Bytes that the server has allocated."""
    return int(cast("dict[str, int]", server.cli.info("memory"))["used_memory"])
