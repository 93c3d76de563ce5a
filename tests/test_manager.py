"""Sessions outside requests: the same three outcomes as inside, on memory and on Redis."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from asgi_session import (
    ConfigurationError,
    SessionConflict,
    SessionError,
    SessionManager,
    SessionStore,
    SessionValueError,
    StoreUnavailable,
)
from asgi_session.ids import CredentialSigner, new_session_id
from asgi_session.redis import RedisClient
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from asgi_session.testing import ManualClock
from tests.support.redis_time import let_time_pass
from tests.support.site import COOKIE, SECRET, Browser, sessions

HOUR = 3600.0


class Time:
    """The time of the store, whatever kind it is."""

    def __init__(self, store: SessionStore, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock

    async def passes(self, seconds: float) -> None:
        """Let it pass."""
        if isinstance(self._store, RedisStore):
            await let_time_pass(self._store, seconds)
        else:
            self._clock.advance(seconds)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, namespace: str) -> SessionStore:
    """An empty store of each kind, not started."""
    if request.param == "memory":
        request.node.clock = ManualClock()
        return MemoryStore(clock=request.node.clock)
    return RedisStore(RedisClient(request.getfixturevalue("redis_url")), namespace=namespace)


@pytest.fixture
def time(request: pytest.FixtureRequest, store: SessionStore) -> Time:
    """How time passes for the store."""
    return Time(store, getattr(request.node, "clock", ManualClock()))


@pytest.fixture
async def manager(store: SessionStore) -> AsyncIterator[SessionManager]:
    """A manager with an idle timeout of one hour and an absolute one of ten."""
    async with SessionManager(SECRET, store=store, idle_timeout=HOUR, absolute_timeout=10 * HOUR) as made:
        yield made


# -- one session -------------------------------------------------------------------------------------------------------


async def test_what_is_created_is_found(manager: SessionManager) -> None:
    """By its handle and by its credential, with all that was given."""
    made = await manager.create("ann", {"cart": [1, {"two": 2}]}, metadata={"job": "import"})
    for name in (made.handle, str(made.credential)):
        found = await manager.get(name)
        assert found is not None
        assert (found.handle, found.user_id, found.version, found.is_live) == (made.handle, "ann", 1, True)
        assert found.data == {"cart": [1, {"two": 2}]}
        assert found.metadata == {"job": "import"}
        assert found.expires_at - found.created_at == pytest.approx(HOUR)
        assert found.credential is None


async def test_a_session_without_anything_exists(manager: SessionManager) -> None:
    """Of nobody, with nothing in it."""
    made = await manager.create()
    found = await manager.get(made.handle)
    assert found is not None
    assert (found.user_id, dict(found.data)) == (None, {})


@pytest.mark.security("LG-01", "PR-05")
async def test_a_stored_session_shows_no_secret(manager: SessionManager) -> None:
    """Neither its text nor its handle opens it, and its values stay out of logs."""
    made = await manager.create("ann", {"canary": "canary value"})
    assert str(made.credential) not in repr(made)
    assert "canary" not in repr(made)
    assert await manager.validate(made.handle) is None


async def test_the_middleware_knows_the_managers_sessions(manager: SessionManager, store: SessionStore) -> None:
    """A session that a job made is one that a browser can present, and the other way round."""
    made = await manager.create("ann", {"from": "job"})
    browser = Browser(sessions(store=store))
    response = await browser.get("/read", cookie=f"{COOKIE}={made.credential}")
    assert response.json() == {"from": "job"}
    await browser.get("/count")
    found = await manager.validate(browser.credential)
    assert found is not None
    assert found.data == {"visits": 1}


@pytest.mark.security("LC-02")
@pytest.mark.parametrize(
    "name",
    ["", "x", "123~short", CredentialSigner(["other"]).sign(new_session_id("123")), "\ud800" * 90],
    ids=["empty", "letter", "short", "foreign", "surrogates"],
)
async def test_what_names_no_session_is_absent(manager: SessionManager, name: str) -> None:
    """Garbage, and what somebody else signed: absent, wherever a session is named."""
    assert await manager.get(name) is None
    assert await manager.validate(name) is None
    assert await manager.update(name, {"a": 1}) is None
    assert await manager.extend(name, 60) is None
    assert await manager.destroy(name) is False
    assert await manager.revoke(name) is False


async def test_a_look_does_not_slide_and_a_validation_does(manager: SessionManager, time: Time) -> None:
    """``get`` is for operators, ``validate`` is what a request does."""
    made = await manager.create("ann")
    await time.passes(0.5 * HOUR)
    looked = await manager.get(made.handle)
    validated = await manager.validate(str(made.credential))
    assert looked is not None
    assert validated is not None
    assert looked.last_seen_at == looked.created_at
    assert validated.last_seen_at - validated.created_at == pytest.approx(0.5 * HOUR, abs=1)
    await time.passes(0.9 * HOUR)
    assert await manager.get(made.handle) is not None
    await time.passes(0.1 * HOUR)
    assert await manager.get(made.handle) is None


async def test_an_update_changes_the_keys_that_it_names(manager: SessionManager) -> None:
    """Others stay, user and birth too; the answer is what is stored."""
    made = await manager.create("ann", {"keep": 1, "set": 1, "gone": 1})
    updated = await manager.update(made.handle, {"set": [2]}, remove=["gone", "never there"])
    assert updated is not None
    assert updated.data == {"keep": 1, "set": [2]}
    assert (updated.user_id, updated.created_at, updated.version) == (made.user_id, made.created_at, 2)
    found = await manager.get(made.handle)
    assert found is not None
    assert found.data == updated.data


@pytest.mark.security("ST-12")
async def test_updates_do_not_add_up_to_more_than_a_record_holds(manager: SessionManager) -> None:
    """Each change is small enough by itself; the one that is too much is refused as a whole, and names a key."""
    session = await manager.create("alice", {"a": "x" * 40_000})
    with pytest.raises(SessionValueError, match="largest key is 'a'"):
        await manager.update(session.handle, {"b": "x" * 30_000}, remove=["c"])
    after = await manager.get(session.handle)
    assert after is not None
    assert (after.version, set(after.data)) == (1, {"a"})
    assert await manager.update(session.handle, {"b": "x" * 30_000}, remove=["a"]) is not None


async def test_an_update_can_ask_for_a_version(manager: SessionManager) -> None:
    """It is refused where somebody was first, and says so."""
    made = await manager.create(None, {"a": 1})
    assert await manager.update(made.handle, {"a": 2}, if_version=made.version) is not None
    with pytest.raises(SessionConflict):
        await manager.update(made.handle, {"a": 3}, if_version=made.version)
    found = await manager.get(made.handle)
    assert found is not None
    assert found.data == {"a": 2}


@pytest.mark.parametrize("values", [{"a": object()}, {"a": "x" * 70_000}, {1: "a"}], ids=["no JSON", "too large", "no text"])
async def test_what_can_not_be_stored_is_refused(manager: SessionManager, values: dict[Any, Any]) -> None:
    """At creation and at update, before anything is written."""
    with pytest.raises(SessionValueError):
        await manager.create("ann", values)
    assert list(await manager.list_for_user("ann")) == []
    made = await manager.create("ann")
    with pytest.raises(SessionValueError):
        await manager.update(made.handle, values)


async def test_a_session_can_be_extended(manager: SessionManager, time: Time) -> None:
    """To a time from now, idle or not, beyond its own timeouts."""
    made = await manager.create("ann", lifetime=HOUR)
    await time.passes(0.5 * HOUR)
    extended = await manager.extend(made.handle, 8 * HOUR)
    assert extended is not None
    assert extended.expires_at - extended.created_at == pytest.approx(8.5 * HOUR, abs=1)
    await time.passes(7 * HOUR)
    assert await manager.get(made.handle) is not None
    await time.passes(HOUR)
    assert await manager.get(made.handle) is None
    assert await manager.extend(made.handle, HOUR) is None


@pytest.mark.security("LC-03", "LC-04")
async def test_an_extension_ends_at_the_ceiling(manager: SessionManager, time: Time) -> None:
    """The absolute timeout counts from the creation, however often and however far a session is extended."""
    made = await manager.create("ann")
    for _ in range(3):
        await time.passes(0.5 * HOUR)
        extended = await manager.extend(made.handle, 399 * 24 * HOUR)
        assert extended is not None
        assert extended.expires_at - extended.created_at == pytest.approx(10 * HOUR, abs=1)
    await time.passes(8 * HOUR)
    assert await manager.get(made.handle) is not None
    await time.passes(0.6 * HOUR)
    assert await manager.get(made.handle) is None


async def test_an_extension_shortens_nothing_that_was_allowed_before(store: SessionStore, time: Time) -> None:
    """A manager with a lower ceiling than the middleware that made the session: its own ceiling has passed already."""
    async with SessionManager(SECRET, store=store, absolute_timeout=100 * HOUR) as generous:
        made = await generous.create("ann", lifetime=90 * HOUR)
        await time.passes(20 * HOUR)
        strict = SessionManager(SECRET, store=store, absolute_timeout=10 * HOUR)
        for wanted, left in ((95, 70), (30, 30)):
            extended = await strict.extend(made.handle, wanted * HOUR)
            assert extended is not None
            assert extended.expires_at - extended.created_at == pytest.approx((20 + left) * HOUR, abs=2)


@pytest.mark.parametrize("lifetime", [0, -1, -1e9])
async def test_an_extension_by_nothing_ends_it(manager: SessionManager, lifetime: float) -> None:
    """Zero or less is never "for ever"."""
    made = await manager.create("ann")
    assert await manager.extend(made.handle, lifetime) is None
    assert await manager.get(made.handle) is None


@pytest.mark.parametrize("lifetime", [float("inf"), float("nan"), 1e12])
async def test_nothing_lives_for_ever(manager: SessionManager, lifetime: float) -> None:
    """A lifetime past 400 days is refused, and the session stays as it is."""
    made = await manager.create("ann")
    with pytest.raises(SessionError, match="400 days"):
        await manager.extend(made.handle, lifetime)
    with pytest.raises(SessionError, match="400 days"):
        await manager.create("ann", lifetime=lifetime)
    assert [session.handle for session in await manager.list_for_user("ann")] == [made.handle]


async def test_a_session_can_have_a_lifetime_of_its_own(manager: SessionManager, time: Time) -> None:
    """Shorter or longer than the others', idle or not, and never beyond the absolute timeout."""
    short, long = await manager.create("ann", lifetime=60), await manager.create("ann", lifetime=100 * HOUR)
    assert long.expires_at - long.created_at == pytest.approx(10 * HOUR)
    await time.passes(61)
    assert await manager.get(short.handle) is None
    await time.passes(9.9 * HOUR)
    assert await manager.get(long.handle) is not None
    await time.passes(0.1 * HOUR)
    assert await manager.get(long.handle) is None


@pytest.mark.security("LC-17")
async def test_destroy_and_revoke_are_idempotent(manager: SessionManager) -> None:
    """The first call finds it, the second doesn't; a revoked session stays listed, a destroyed one is forgotten."""
    destroyed, revoked = await manager.create("ann"), await manager.create("ann", {"a": 1})
    assert [await manager.destroy(destroyed.handle), await manager.destroy(destroyed.handle)] == [True, False]
    assert [await manager.revoke(str(revoked.credential)), await manager.revoke(revoked.handle)] == [True, False]
    [listed] = await manager.list_for_user("ann")
    assert (listed.handle, listed.is_live, dict(listed.data)) == (revoked.handle, False, {})
    assert listed.revoked_at is not None
    assert await manager.validate(str(revoked.credential)) is None


# -- many --------------------------------------------------------------------------------------------------------------


@pytest.mark.security("LC-10")
async def test_a_users_sessions_can_be_listed_and_ended(manager: SessionManager) -> None:
    """Newest first; all of them, or all but one, named by handle or credential."""
    made = [await manager.create("ann") for _ in range(3)]
    other = await manager.create("ben")
    assert [session.handle for session in await manager.list_for_user("ann")] == [session.handle for session in reversed(made)]
    await manager.revoke_user("ann", keep=made[1].handle)
    await manager.revoke_user("ann", keep=made[1].credential)
    assert [await manager.get(session.handle) is not None for session in made] == [False, True, False]
    assert await manager.revoke_user("ann", keep="garbage") is False
    assert await manager.get(made[1].handle) is not None
    assert await manager.revoke_user("ann") is True
    assert await manager.get(made[1].handle) is None
    assert await manager.get(other.handle) is not None
    later = await manager.create("ann")
    assert await manager.get(later.handle) is not None


@pytest.mark.security("LC-10")
async def test_everybody_can_be_ended(manager: SessionManager) -> None:
    """Users and visitors that are there now."""
    made = [await manager.create(user) for user in ("ann", "ben", None)]
    await manager.revoke_all()
    assert [await manager.get(session.handle) for session in made] == [None] * 3
    later = await manager.create("ann")
    assert await manager.get(later.handle) is not None


async def test_stats_health_and_cleanup(manager: SessionManager, time: Time) -> None:
    """An operator sees how much there is, and what expired goes."""
    for user in ("ann", "ann", None):
        await manager.create(user)
    await manager.create("ann", lifetime=20 * HOUR)
    assert (await manager.stats()).sessions == 4
    assert (await manager.health()).state == "healthy"
    await time.passes(2 * HOUR)
    assert await manager.cleanup() >= 1
    assert (await manager.stats()).sessions == 1


# -- start and stop ----------------------------------------------------------------------------------------------------


async def test_all_problems_are_told_at_once() -> None:
    """At initialize, each with its argument and what to do; the constructor raises nothing."""
    manager = SessionManager("", store="mongodb://x", idle_timeout=float("nan"), absolute_timeout=float("inf"))
    with pytest.raises(ConfigurationError) as error:
        await manager.initialize()
    assert [problem.field for problem in error.value.problems] == ["secret_key", "idle_timeout", "absolute_timeout", "store"]
    assert all(problem.fix for problem in error.value.problems)


async def test_a_store_that_is_down_is_neither_absent_nor_a_mistake() -> None:
    """The third outcome: every question about a session raises, a bad credential is still refused without asking."""
    manager = SessionManager(SECRET, store="redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable):
        await manager.initialize()
    credential = CredentialSigner([SECRET]).sign(new_session_id("123"))
    steps = [
        lambda: manager.create("ann"),
        lambda: manager.get(credential),
        lambda: manager.validate(credential),
        lambda: manager.update(credential, {"a": 1}),
        lambda: manager.extend(credential, 60),
        lambda: manager.destroy(credential),
        lambda: manager.revoke(credential),
        lambda: manager.list_for_user("ann"),
        lambda: manager.revoke_user("ann"),
        manager.revoke_all,
        manager.stats,
        manager.cleanup,
    ]
    for step in steps:
        with pytest.raises(StoreUnavailable):
            await step()
    assert await manager.validate("garbage") is None
    assert (await manager.health()).state == "down"
    await manager.shutdown()
    await manager.shutdown()


async def test_a_rotated_secret_keeps_sessions(store: SessionStore) -> None:
    """The first secret signs, all of them are accepted, and a user's sessions stay where they are revoked."""
    async with SessionManager("old secret", store=store) as old:
        made = await old.create("ann")
        rotated = SessionManager(["new secret", "old secret"], store=store)
        assert await rotated.validate(str(made.credential)) is not None
        assert await SessionManager("new secret", store=store).validate(str(made.credential)) is None
        await rotated.revoke_user("ann")
        assert await old.validate(str(made.credential)) is None


async def test_what_a_store_can_not_do_is_said() -> None:
    """A store without the extra powers serves sessions; asking for more names the store."""
    inner = MemoryStore()
    plain = SimpleNamespace(
        **{name: getattr(inner, name) for name in [*vars(SessionStore)["__annotations__"], *vars(SessionStore)] if name.isalpha()}
    )
    async with SessionManager(SECRET, store=plain) as manager:  # type: ignore[arg-type]
        made = await manager.create("ann")
        assert await manager.get(made.handle) is not None
        for step in (manager.revoke(made.handle), manager.list_for_user("ann"), manager.revoke_all(), manager.stats()):
            with pytest.raises(SessionError, match="SimpleNamespace can't"):
                await step
