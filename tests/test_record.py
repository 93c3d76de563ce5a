"""What stores keep."""

import dataclasses

import pytest

from asgi_session.ids import StoreKey
from asgi_session.record import Changes, Draft, Record

RECORD = Record(
    key=StoreKey("001", "digest"),
    user_id="ann",
    created_at=100.0,
    last_seen_at=150.0,
    idle_timeout=60.0,
    expires_at=1000.0,
    version=1,
    issued=1,
    read_at=150.0,
)


def test_a_record_ends_at_the_earlier_of_its_timeouts() -> None:
    """Idle since it was last seen, or at its absolute end."""
    assert RECORD.deadline == 210.0
    assert dataclasses.replace(RECORD, expires_at=200.0).deadline == 200.0


@pytest.mark.parametrize("value", [RECORD, Draft("ann", 1, 1), Changes()])
def test_nothing_of_it_can_be_changed(value: object) -> None:
    """Neither a field nor the mappings that it has by default: they are shared by all records."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "other")  # type: ignore[arg-type]
    for name in ("data", "metadata", "set"):
        if hasattr(value, name):
            with pytest.raises(TypeError):
                getattr(value, name)["k"] = b"v"


@pytest.mark.parametrize(
    "changes",
    [
        Changes(set={"a": b"1"}),
        Changes(remove=frozenset({"a"})),
        Changes(clear=True),
        Changes(idle_timeout=0.0),
        Changes(lifetime=0.0),
        Changes(login={}),
    ],
)
def test_whatever_changes_something_is_true(changes: Changes) -> None:
    """A timeout of zero is a change too."""
    assert changes


def test_a_version_alone_changes_nothing() -> None:
    """It is a condition."""
    assert not Changes(if_version=3)
