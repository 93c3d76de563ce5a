"""Which node serves which slot."""

import pytest

from asgi_session.redis.slots import SlotMap, slot_of
from tests.services.cluster import RedisCluster

REPLY = [
    [0, 99, [b"a", 1, b"id", []], [b"b", 2, b"id", []]],
    [100, 16383, [b"c", 3, b"id", []]],
]


@pytest.mark.security("ST-07")
@pytest.mark.parametrize("key", ["", "a", "user:1", "{user}:1", "x{user}y{z}", "{}a", "{a", "a}b", "ä€"])
def test_slots_are_those_of_redis(cluster: RedisCluster, key: str) -> None:
    """With hash tags, without, and with things that only look like one."""
    assert slot_of(key) == slot_of(key.encode()) == cluster.slot_of(key)


def test_a_number_is_a_key_too() -> None:
    """As it is written on the wire."""
    assert slot_of(12) == slot_of("12")


def test_a_map_knows_owners_primaries_and_nodes() -> None:
    """Ends of ranges included; a slot that no range names has no owner."""
    slots = SlotMap(REPLY[:1], ("w", 9))
    assert (slots.owner(0), slots.owner(99), slots.owner(100)) == (("a", 1), ("a", 1), None)
    assert SlotMap(REPLY, ("w", 9)).primaries == (("a", 1), ("c", 3))
    assert SlotMap(REPLY, ("w", 9)).nodes == (("a", 1), ("b", 2), ("c", 3))


def test_one_slot_moves_alone() -> None:
    """What MOVED says is true for one slot."""
    slots = SlotMap(REPLY, ("w", 9))
    slots.move(5, ("c", 3))
    assert (slots.owner(4), slots.owner(5), slots.owner(6)) == (("a", 1), ("c", 3), ("a", 1))


@pytest.mark.parametrize("unknown", [b"", b"?", None])
def test_a_node_without_a_name_has_that_of_the_witness(unknown: bytes | None) -> None:
    """The node that answered is reached where it answered."""
    assert SlotMap([[0, 1, [unknown, 7, b"id"]]], ("w", 9)).owner(0) == ("w", 7)


def test_names_may_be_text() -> None:
    """For whoever decodes replies."""
    assert SlotMap([[0, 1, ["a", 7, "id"]]], ("w", 9)).owner(0) == ("a", 7)
