"""One request's work on one session, without a request around it."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session import Session, SessionConflict, SessionError, SessionGone, SessionValueError, StoreUnavailable
from asgi_session.ids import new_session_id, store_key
from asgi_session.settings import SessionSettings
from asgi_session.snapshot import Snapshot
from asgi_session.transaction import Outcome, loaded_session, new_session
from tests.support.site import SECRET
from tests.support.stores import Gate, WatchedStore

CLIENT: Any = ([], "192.0.2.1")


class Work:
    """Sessions on one store."""

    def __init__(self) -> None:
        self.store = WatchedStore()
        self.engine = SessionSettings(SECRET, store=self.store).engine()

    def begin(self, **values: Any) -> Session:
        """A new session."""
        session, _ = new_session(self.engine, CLIENT)
        session.update(values)
        return session

    async def stored(self, **values: Any) -> Session:
        """A session that the store knows, loaded by a request of its own."""
        session = self.begin(**values)
        await session.save()
        return await self.again(session)

    async def again(self, session: Session) -> Session:
        """The same session in another request."""
        assert session.transaction.record is not None
        record = await self.store.load(session.transaction.record.key)
        assert record is not None
        return loaded_session(self.engine, CLIENT, session.transaction.credential or "", Snapshot(record))[0]


@pytest.fixture
def work() -> Work:
    """An empty store."""
    return Work()


async def commit(session: Session) -> Outcome:
    """What the middleware does when the response starts."""
    return await session.transaction.commit(session)


async def test_what_a_commit_does(work: Work) -> None:
    """Each outcome, from what the handler did."""
    assert await commit(work.begin()) is Outcome.UNCHANGED
    session = work.begin(a=1)
    assert await commit(session) is Outcome.CREATED
    assert await commit(session) is Outcome.UNCHANGED
    session["a"] = 1
    assert await commit(session) is Outcome.UNCHANGED
    session["a"] = 2
    assert await commit(session) is Outcome.SAVED
    session.regenerate_id()
    assert await commit(session) is Outcome.REGENERATED
    session.clear()
    assert await commit(session) is Outcome.DESTROYED
    assert await commit(session) is Outcome.UNCHANGED
    assert work.store.calls == {"create": 1, "commit": 1, "regenerate": 1, "destroy": 1}


async def test_a_commit_names_only_what_changed(work: Work) -> None:
    """Keys that this request left alone are left alone in the store (design rule 3)."""
    session = await work.stored(a=1, b=[1], c="c")
    other = await work.again(session)
    other["c"] = "theirs"
    await other.save()
    session["a"] = 2
    session["b"].append(2)
    await session.save()
    assert dict(await work.again(session)) == {"a": 2, "b": [1, 2], "c": "theirs"}


async def test_clear_also_drops_what_others_add_meanwhile(work: Work) -> None:
    """clear() means everything; removing each key means those keys."""
    for way, left in ((dict.clear, {"new": 1}), (Session.clear, {"new": 1})):
        session = await work.stored(a=1, b=2)
        other = await work.again(session)
        other["theirs"] = 3
        await other.save()
        if way is Session.clear:
            session.clear()
        else:
            for key in list(session):
                del session[key]
            left = {"new": 1, "theirs": 3}
        session["new"] = 1
        await session.save()
        assert dict(await work.again(session)) == left


@pytest.mark.security("LC-08")
async def test_nothing_brings_an_ended_session_back(work: Work) -> None:
    """Save, renewal, emptying: refused or nothing, and neither record nor credential is left to announce."""
    for change in ("save", "regenerate", "empty"):
        session = await work.stored(a=1)
        await work.store.destroy(session.transaction.record.key)  # type: ignore[union-attr]
        session["a"] = 2
        if change == "regenerate":
            session.regenerate_id()
        if change == "empty":
            session.clear()
        outcome = await commit(session)
        assert outcome is (Outcome.DESTROYED if change == "empty" else Outcome.REFUSED)
        assert not session.transaction.announce
        assert session.credential is None
        assert work.store.holds() == 0
        session["a"] = 3
        if change != "empty":
            with pytest.raises(SessionGone):
                await session.save()
        assert work.store.holds() == 0


async def test_a_conflict_leaves_everything_to_be_saved_again(work: Work) -> None:
    """The handler may look, decide and save over it."""
    session = await work.stored(a=1)
    other = await work.again(session)
    other["b"] = 1
    await other.save()
    session["a"] = 2
    with pytest.raises(SessionConflict):
        await session.save(if_unchanged=True)
    assert session.modified
    await session.save()
    assert dict(await work.again(session)) == {"a": 2, "b": 1}


async def test_a_conflict_does_not_keep_a_session_alive(work: Work) -> None:
    """clear() after it is a logout, whatever the other request saved."""
    session = await work.stored(a=1)
    other = await work.again(session)
    other["b"] = 1
    await other.save()
    session["a"] = 2
    with pytest.raises(SessionConflict):
        await session.save(if_unchanged=True)
    del session["a"]  # nothing of its own is left, but the handler did not ask for the end of the other's
    assert await commit(session) is Outcome.CONFLICT
    session.clear()
    assert await commit(session) is Outcome.DESTROYED
    assert work.store.holds() == 0


async def test_after_its_own_save_the_next_conflict_check_passes(work: Work) -> None:
    """A request is not in conflict with itself."""
    session = await work.stored(a=1)
    for value in (2, 3):
        session["a"] = value
        await session.save(if_unchanged=True)


async def test_a_failed_save_is_still_to_be_done(work: Work) -> None:
    """After an outage the same session saves what it holds."""
    session = await work.stored(a=1)
    session["a"] = 2
    work.store.failures["commit"] = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await session.save()
    work.store.failures.clear()
    await session.save()
    assert dict(await work.again(session)) == {"a": 2}


async def test_what_is_assigned_during_a_save_is_saved_next(work: Work) -> None:
    """Another task of the same request changes a key while the store works."""
    session = await work.stored(a=1)
    gate = work.store.gates["commit"] = Gate()
    session["a"] = 2
    saving = asyncio.ensure_future(session.save())
    await gate.reached.wait()
    session["b"] = 3
    gate.opened.set()
    await saving
    assert session.modified
    await session.save()
    assert dict(await work.again(session)) == {"a": 2, "b": 3}


async def test_a_cancelled_save_is_finished(work: Work) -> None:
    """The step goes on without whoever asked for it; drain waits (design rule 11)."""
    session = await work.stored(a=1)
    gate = work.store.gates["commit"] = Gate()
    session["a"] = 2
    saving = asyncio.ensure_future(session.save())
    await gate.reached.wait()
    saving.cancel()
    draining = asyncio.ensure_future(work.engine.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    gate.opened.set()
    await draining
    assert not work.engine.steps
    assert dict(await work.again(session)) == {"a": 2}


@pytest.mark.security("LC-01", "ST-08")
async def test_a_save_that_was_given_up_is_noted_all_the_same(work: Work) -> None:
    """A handler's time limit ends its wait, not the step: the response knows the new id that the store knows."""
    session = await work.stored(a=1)
    session.regenerate_id()
    gate = work.store.gates["regenerate"] = Gate()
    saving = asyncio.ensure_future(session.save())
    await gate.reached.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert session.transaction.is_dirty(session)
    starting = asyncio.ensure_future(commit(session))
    gate.opened.set()
    assert await starting is Outcome.UNCHANGED
    assert session.transaction.announce
    assert work.store.calls["regenerate"] == 1
    assert await work.store.load(store_key(work.engine.signer.unsign(session.transaction.credential or "") or "")) is not None


@pytest.mark.security("LC-07", "ST-08")
@pytest.mark.parametrize("verb", ["save", "login", "logout"])
async def test_a_response_waits_for_what_another_task_does(work: Work, verb: str) -> None:
    """Else it would say nothing of the cookie that belongs to what the store holds by then."""
    session = work.begin(a=1) if verb != "logout" else await work.stored(a=1)
    step = "destroy" if verb == "logout" else "create"
    gate = work.store.gates[step] = Gate()
    other = asyncio.ensure_future(session.login("ann") if verb == "login" else getattr(session, verb)())
    await gate.reached.wait()
    starting = asyncio.ensure_future(commit(session))
    await asyncio.sleep(0)
    assert not starting.done()
    gate.opened.set()
    await asyncio.gather(other, starting)
    assert (session.transaction.announce, session.transaction.withdraw) == (verb != "logout", verb == "logout")
    assert work.store.calls[step] == 1


async def test_ending_the_others_while_another_task_renews_the_id(work: Work) -> None:
    """The session is spared under its new id, and not taken for ended."""
    session = work.begin()
    await session.login("ann")
    await work.again(session)
    other = work.begin()
    await other.login("ann")
    session.regenerate_id()
    gate = work.store.gates["regenerate"] = Gate()
    saving = asyncio.ensure_future(session.save())
    await gate.reached.wait()
    ending = asyncio.ensure_future(session.revoke_others())
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(saving, ending)
    living = [record.key for record in await work.store.list_for_user("ann") if record.revoked_at is None]
    assert session.transaction.record is not None
    assert living == [session.transaction.record.key]


async def test_a_step_that_fails_for_nobody_is_no_unhandled_error(work: Work) -> None:
    """Whoever waited for it is gone; the loop's exception handler is not bothered."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    session = await work.stored(a=1)
    gate = work.store.gates["commit"] = Gate()
    work.store.lost_replies["commit"] = StoreUnavailable("down")
    session["a"] = 2
    saving = asyncio.ensure_future(session.save())
    await gate.reached.wait()
    saving.cancel()
    gate.opened.set()
    await work.engine.drain()
    await asyncio.sleep(0)
    assert complaints == []


@pytest.mark.security("LC-14")
async def test_login_keeps_what_it_is_told_to(work: Work) -> None:
    """Named keys of a visitor, and everything of the same user; one step of the store each time (design rule 7)."""
    session = work.begin(cart=[1], admin=True)
    await session.login("alice", keep=["cart", "not there"])
    assert dict(session) == {"cart": [1]}
    session["more"] = 1
    await session.login("alice")
    assert dict(session) == {"cart": [1], "more": 1}
    assert dict(await work.again(session)) == {"cart": [1], "more": 1}
    await session.login("bob", keep=["more"])
    assert dict(session) == {"more": 1}
    assert (work.store.calls["create"], work.store.calls["regenerate"], work.store.writes) == (2, 1, 3)
    assert work.store.holds() == 1


@pytest.mark.security("LC-08", "LC-14")
async def test_a_second_login_where_the_first_has_ended(work: Work) -> None:
    """A session of its own, with what its user had; the one that ended stays so."""
    session = work.begin()
    await session.login("alice")
    session["a"] = 1
    await session.save()
    first = session.transaction.record
    assert first is not None
    await work.store.destroy(first.key)
    await session.login("alice")
    assert await work.store.load(first.key) is None
    assert dict(await work.again(session)) == {"a": 1}


async def test_a_second_login_starts_the_times_anew(work: Work) -> None:
    """Also those that it gives to this session alone; the handler's changes are saved with it."""
    session = work.begin()
    await session.login("alice", lifetime=600)
    session["a"] = [1]
    await session.login("alice")
    record = (await work.again(session)).transaction.record
    assert record is not None
    assert record.idle_timeout == work.engine.lifetimes.idle
    assert record.expires_at - record.last_seen_at == pytest.approx(work.engine.lifetimes.absolute, abs=0.01)
    session["a"].append(2)
    assert await commit(session) is Outcome.SAVED
    assert dict(await work.again(session)) == {"a": [1, 2]}


async def test_nested_values_after_a_login_are_watched(work: Work) -> None:
    """A kept list is changed in place afterwards, and saved."""
    session = work.begin(cart=[1])
    await session.login("alice", keep=["cart"])
    session["cart"].append(2)
    assert await commit(session) is Outcome.SAVED
    assert dict(await work.again(session)) == {"cart": [1, 2]}


async def test_a_value_that_can_not_be_stored_leaves_the_rest_alone(work: Work) -> None:
    """Nothing is saved, the error names the key, and taking it out again is enough."""
    session = await work.stored(a=1, deep={"x": []})
    session["bad"] = object()
    with pytest.raises(SessionValueError, match="'bad'"):
        await session.save()
    del session["bad"]
    session["deep"]["x"].append(object())
    with pytest.raises(SessionValueError, match="'deep'"):
        await session.save()
    session["deep"]["x"].clear()
    assert await commit(session) is Outcome.UNCHANGED


async def test_regenerating_twice_is_once(work: Work) -> None:
    """One new id per response."""
    session = await work.stored(a=1)
    session.regenerate_id()
    session.regenerate_id()
    await commit(session)
    assert work.store.calls["regenerate"] == 1


async def test_regenerating_nothing_is_nothing(work: Work) -> None:
    """A session that is new will get a new id anyway."""
    session = work.begin()
    session.regenerate_id()
    assert await commit(session) is Outcome.UNCHANGED
    assert not work.store.calls


async def test_a_clear_during_a_save_that_fails_is_still_one(work: Work) -> None:
    """Another task of the request ends the session while a save is under way, which the store refuses: the commit ends it."""
    session = await work.stored(a=1)
    gate = work.store.gates["commit"] = Gate()
    work.store.lost_replies["commit"] = StoreUnavailable("The reply was lost.")
    session["a"] = 2
    saving = asyncio.ensure_future(session.save())
    await gate.reached.wait()
    session.clear()
    gate.opened.set()
    with pytest.raises(StoreUnavailable):
        await saving
    assert await commit(session) is Outcome.DESTROYED


async def test_a_session_that_could_not_be_read_saves_nothing_but_a_login(work: Work) -> None:
    """The store could not be asked about the cookie: what was there must not be overwritten."""
    session, _ = new_session(work.engine, CLIENT, "some credential")
    session.transaction.stand_beside(store_key(new_session_id("000")), unread=True)
    session["a"] = 1
    assert await commit(session) is Outcome.REFUSED
    await session.login("alice")
    session["a"] = 2
    assert await commit(session) is Outcome.SAVED


async def test_beside_an_absent_session_only_a_logout_costs_a_step(work: Work) -> None:
    """It saves like any new one, and whoever does nothing asks the store nothing."""

    def beside_the_absent() -> Session:
        session, _ = new_session(work.engine, CLIENT, "some credential")
        session.transaction.stand_beside(store_key(new_session_id("000")), unread=False)
        return session

    assert await commit(beside_the_absent()) is Outcome.UNCHANGED
    assert not work.store.calls
    saved = beside_the_absent()
    saved["a"] = 1
    assert await commit(saved) is Outcome.CREATED
    assert work.store.calls == {"create": 1}
    await beside_the_absent().logout()
    assert work.store.calls == {"create": 1, "destroy": 1}
    assert work.store.holds() == 1


async def test_emptying_a_session_that_could_not_be_read(work: Work) -> None:
    """It is a logout, so it does not pass in silence where the store can't end it."""
    session, _ = new_session(work.engine, CLIENT, "some credential")
    session.transaction.stand_beside(store_key(new_session_id("000")), unread=True)
    session.clear()
    work.store.failures["destroy"] = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await commit(session)
    work.store.failures.clear()
    assert await commit(session) is Outcome.DESTROYED
    assert session.transaction.withdraw


async def test_asking_the_store_now(work: Work) -> None:
    """require_fresh: silence while the session lives, SessionGone once it has ended, StoreUnavailable where nobody can tell."""
    with pytest.raises(SessionGone):
        await work.begin().require_fresh()
    session = await work.stored(a=1)
    await session.require_fresh()
    work.store.failures["load"] = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await session.require_fresh()
    work.store.failures.clear()
    other = await work.again(session)
    await other.logout()
    with pytest.raises(SessionGone):
        await session.require_fresh()
    session["a"] = 2
    assert await commit(session) is Outcome.REFUSED


async def test_asking_the_store_while_another_task_renews_the_id(work: Work) -> None:
    """The old id is gone, the session is not."""
    session = await work.stored(a=1)
    session.regenerate_id()
    gate = work.store.gates["load"] = Gate()
    asking = asyncio.ensure_future(session.require_fresh())
    await gate.reached.wait()
    renewing = asyncio.ensure_future(commit(session))
    for _ in range(10):
        await asyncio.sleep(0)
    gate.opened.set()
    await asking
    assert await renewing is Outcome.REGENERATED
    assert session.transaction.announce


async def test_waiting_for_the_end(work: Work) -> None:
    """wait_ended: returns when another request ends the session, and at once where there is none."""
    await work.begin().wait_ended()
    session = await work.stored(a=1)
    waiting = asyncio.ensure_future(session.wait_ended())
    await asyncio.sleep(0)
    assert not waiting.done()
    await (await work.again(session)).logout()
    async with asyncio.timeout(5):
        await waiting
    assert len(work.engine.watches) == 0


async def test_ending_the_others(work: Work) -> None:
    """It needs a user; the session that asks stays."""
    with pytest.raises(SessionError, match="logged in"):
        await (await work.stored(a=1)).revoke_others()
    here, there = work.begin(), work.begin()
    await here.login("alice")
    await there.login("alice")
    await here.revoke_others()
    with pytest.raises(SessionGone):
        await there.require_fresh()
    await here.require_fresh()


async def test_an_ended_session_ends_no_others(work: Work) -> None:
    """Whoever was thrown out a moment ago can't throw the others out in return."""
    here, there = work.begin(), work.begin()
    await here.login("alice")
    await there.login("alice")
    await here.revoke_others()
    with pytest.raises(SessionGone):
        await there.revoke_others()
    await here.require_fresh()


async def test_a_renewal_may_be_in_conflict_too(work: Work) -> None:
    """`if_unchanged` holds for a new id as well: nothing moves."""
    session = await work.stored(a=1)
    other = await work.again(session)
    other["b"] = 1
    await other.save()
    session["a"] = 2
    session.regenerate_id()
    with pytest.raises(SessionConflict):
        await session.save(if_unchanged=True)
    assert dict(await work.again(session)) == {"a": 1, "b": 1}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4), st.dictionaries(st.text(max_size=6), JSON, max_size=4))
async def test_what_is_read_back_is_what_was_left_there(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Any JSON, replaced by any other: a later request finds exactly the last one, and a third finds nothing to save."""
    work = Work()
    session = work.begin(keep=0, **{f"k{key}": value for key, value in first.items()})
    await session.save()
    session = await work.again(session)
    for key in list(session):
        if key != "keep":
            del session[key]
    session.update({f"k{key}": value for key, value in second.items()})
    await session.save()
    loaded = await work.again(session)
    assert dict(loaded) == {"keep": 0, **{f"k{key}": value for key, value in second.items()}}
    assert await commit(loaded) is Outcome.UNCHANGED
