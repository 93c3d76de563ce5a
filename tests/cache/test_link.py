"""What every link has in common, and the one of a store that lives in this process."""

import math

from asgi_session.cache.link import Coherent, Invalidation, Lease, LocalLink
from asgi_session.redis import RedisClient
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from tests.cache.parts import a_key, ended


def test_a_lease_begins_without_trust() -> None:
    """Until there is a proof."""
    assert Lease().until == -math.inf


def test_a_revoked_lease_is_another_one() -> None:
    """What was filled under it is dead, also when it is extended again."""
    lease = Lease(math.inf)
    lease.revoke()
    assert (lease.until, lease.generation) == (-math.inf, 1)


async def test_the_local_link_tells_everybody_at_once() -> None:
    """Its silence can be believed for ever, started or not."""
    link, heard = LocalLink(), list[Invalidation | None]()
    link.listen(heard.append)
    link.listen(heard.append)
    await link.start()
    link.tell(ended(a_key()))
    await link.stop()
    assert len(heard) == 2
    assert link.lease("000") is link.lease("001")
    assert link.lease("000").until == math.inf


def test_who_stops_listening_is_told_nothing_more() -> None:
    """Also while being told, without anybody else missing it; and who listens twice stops twice."""
    link, told = LocalLink(), list[str]()

    def once(_: Invalidation | None) -> None:
        told.append("once")
        link.unlisten(once)

    def always(_: Invalidation | None) -> None:
        told.append("always")

    for listener in (once, always, always):
        link.listen(listener)
    link.tell(ended(a_key()))
    link.unlisten(always)
    link.tell(ended(a_key()))
    assert told == ["once", "always", "always", "always"]
    link.unlisten(always)
    link.unlisten(always)
    link.tell(ended(a_key()))
    assert len(told) == 4


def test_the_stores_that_can_be_cached() -> None:
    """Both of ours tell what changed."""
    assert isinstance(MemoryStore(), Coherent)
    assert isinstance(RedisStore(RedisClient("redis://localhost")), Coherent)
