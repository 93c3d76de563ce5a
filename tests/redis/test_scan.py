"""Walking the keyspace."""

import pytest

from asgi_session.exceptions import StoreUnavailable
from asgi_session.redis import RedisClient

NAMES = {f"app:{{{n}}}:s:ключ" for n in range(300)}


@pytest.mark.parametrize(
    "service",
    [pytest.param("redis", marks=pytest.mark.redis), pytest.param("cluster", marks=pytest.mark.cluster)],
)
async def test_scan_finds_what_matches_on_every_primary(request: pytest.FixtureRequest, service: str) -> None:
    """All keys of the pattern come, in steps, and no other ones."""
    client = RedisClient(request.getfixturevalue(f"{service}_url"))
    for name in NAMES | {"app:other", "other:{1}:s:ключ"}:
        await client.command("SET", name, "1")
    assert {key async for key in client.scan("app:{*}:s:*")} == NAMES
    assert [key async for key in client.scan("nothing:*")] == []
    await client.close()


async def test_scan_says_when_the_server_is_gone(redis_url: str) -> None:
    """An outage is an error, never a short list."""
    client = RedisClient(redis_url)
    await client.close()
    with pytest.raises(StoreUnavailable):
        [key async for key in client.scan("*")]
