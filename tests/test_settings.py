"""From constructor arguments to parts: what they mean, and which mistakes are found."""

from typing import Any

import pytest
from starlette.datastructures import Secret

from asgi_session.lifetimes import DAY
from asgi_session.settings import SessionSettings
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from tests.support.configuration import problems_with
from tests.support.site import SECRET

BAD_SECRETS: list[tuple[Any, str]] = [
    ("", "is empty"),
    ([], "is empty"),
    ([SECRET, ""], "is empty"),
    (None, "is no text"),
    (b"bytes are a sequence of numbers, each of which would be a secret", "is no text"),
    ([b"bytes"], "is no text"),
    ([SECRET, None], "is no text"),
    (4711, "is no text"),
    ({SECRET: 1}, "is no text"),
    ("a lone surrogate \udc80, as os.environ has it", "is no text"),
]


@pytest.mark.parametrize(
    ("secret", "what"), BAD_SECRETS, ids=[f"{type(secret).__name__}-{at}" for at, (secret, _) in enumerate(BAD_SECRETS)]
)
async def test_a_secret_that_can_not_sign_is_refused(secret: Any, what: str) -> None:
    """At the start, with a word about what to do, and without a word of the secret."""
    (problem,) = await problems_with(secret_key=secret)
    assert (problem.field, problem.message) == ("secret_key", f"{what}.")
    assert "lone" not in str(problem)


@pytest.mark.parametrize("secret", [SECRET, Secret(SECRET), [SECRET], (Secret(SECRET), "another")])
async def test_every_way_of_giving_secrets(secret: Any) -> None:
    """Text, Starlette's Secret, or several of them."""
    assert await problems_with(secret_key=secret) == ()
    assert SessionSettings(secret).secrets[0] == SECRET


LIFETIMES = [
    ({}, 14 * DAY, 30 * DAY),
    ({"max_age": 600}, 600, 30 * DAY),
    ({"max_age": None}, 14 * DAY, 30 * DAY),
    ({"max_age": 600, "idle_timeout": 300}, 300, 30 * DAY),
    ({"idle_timeout": 300, "absolute_timeout": 900}, 300, 900),
]


@pytest.mark.parametrize(("arguments", "idle", "absolute"), LIFETIMES)
def test_where_the_lifetimes_come_from(arguments: dict[str, Any], idle: float, absolute: float) -> None:
    """The idle timeout is Max-Age unless it is given."""
    lifetimes = SessionSettings(SECRET, **arguments).lifetimes
    assert (lifetimes.idle, lifetimes.absolute) == (idle, absolute)


@pytest.mark.security("LC-03")
@pytest.mark.parametrize("argument", ["idle_timeout", "absolute_timeout"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 401 * DAY])
async def test_no_timeout_means_for_ever(argument: str, value: float) -> None:
    """Both limits are finite, always."""
    assert argument in {problem.field for problem in await problems_with(**{argument: value})}


@pytest.mark.parametrize(("store", "kind"), [(None, MemoryStore), ("memory://", MemoryStore), ("redis://localhost", RedisStore)])
def test_stores_by_url(store: Any, kind: type) -> None:
    """A URL names a store; nothing is opened for it."""
    settings = SessionSettings(SECRET, store=store)
    assert isinstance(settings.store, kind)
    assert settings.store_is_default is (store is None)


def test_a_store_of_ones_own_is_taken_as_it_is() -> None:
    """Shared with whoever else has it."""
    store = MemoryStore()
    assert SessionSettings(SECRET, store=store).store is store


async def test_the_stores_own_mistakes_are_listed() -> None:
    """A wrong URL, an unknown kind of store, an impossible bound."""
    for store in ("redis//localhost", "tape://localhost", "redis://localhost/not-a-number", MemoryStore(max_sessions=0)):
        assert await problems_with(store=store), store


@pytest.mark.security("ST-05")
def test_keys_for_other_purposes() -> None:
    """Each label has a key of its own of each secret; all differ between secrets, and none is the secret."""
    settings, other = SessionSettings([SECRET, "old"]), SessionSettings("old")
    keys = [*settings.derived_keys("a"), *settings.derived_keys("b")]
    assert len({*keys, SECRET.encode(), b"old"}) == 6
    assert all(len(key) == 32 for key in keys)
    assert settings.derived_keys("a") == [*SessionSettings(SECRET).derived_keys("a"), *other.derived_keys("a")]


async def test_all_mistakes_come_at_once() -> None:
    """Nobody has to restart a server six times."""
    found = await problems_with(
        secret_key="", session_cookie="a b", same_site="lazy", path="x", idle_timeout=float("inf"), store="tape://"
    )
    assert {problem.field for problem in found} == {"secret_key", "session_cookie", "same_site", "path", "idle_timeout", "store"}
    assert all(problem.message and problem.fix for problem in found)
