"""Two or three requests on one session, in every order of their steps, served by one worker and by two.

Cold workers load the session first. Warm ones have met it, so that the cache serves it, and the news of what the other one does
arrives at any time afterwards; of those orders, which are many, a sample is run.
"""

from collections.abc import AsyncIterator

import pytest

from asgi_session.ids import CredentialSigner, new_session_id
from tests.races.workers import COLD, WARM, Workers, credential_of, given, workers_named
from tests.support.interleaving import Schedule
from tests.support.site import SECRET


@pytest.fixture(params=[*COLD, *WARM])
async def workers(request: pytest.FixtureRequest, namespace: str, second: int) -> AsyncIterator[Workers]:
    """Two workers, cold and warm."""
    async with workers_named(request, namespace, second) as workers:
        yield workers


@pytest.mark.security("LC-08")
async def test_a_save_after_a_logout_recreates_nothing(workers: Workers, second: int) -> None:
    """Whoever loaded the session before the logout saves nothing and gets no cookie; the session is gone in every order."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name))
        done = await schedule.run(
            {"save": lambda: workers.request(0, "/set?new", cookie), "logout": lambda: workers.request(second, "/logout", cookie)}
        )
        assert await workers.alive(cookie) is None
        assert await workers.live_sessions(name) == []
        assert given(done["logout"]) is None
        was_loaded = done["save"].json() == name
        assert (given(done["save"]) is None) is was_loaded
        if not was_loaded:  # it came after the logout: a visitor like any other
            visitor = await workers.alive(given(done["save"]))
            assert visitor is not None
            assert (visitor.user_id, visitor.data) == (None, {"new": 1})

    await workers.race(scenario)


@pytest.mark.security("LC-13")
async def test_two_keys_are_both_kept(workers: Workers, second: int) -> None:
    """Two requests change two keys of one session: both changes are there in every order."""

    async def scenario(schedule: Schedule) -> None:
        cookie = credential_of(await workers.session(None))
        await schedule.run(
            {"a": lambda: workers.request(0, "/set?a", cookie), "b": lambda: workers.request(second, "/set?b", cookie)}
        )
        after = await workers.alive(cookie)
        assert after is not None
        assert after.data == {"old": 1, "a": 1, "b": 1}

    await workers.race(scenario)


@pytest.mark.security("LC-13")
async def test_a_conflict_that_was_asked_for_is_told(workers: Workers, second: int) -> None:
    """Two requests count with ``if_unchanged``: what both say they counted is what was counted."""

    async def scenario(schedule: Schedule) -> None:
        cookie = credential_of(await workers.session(None))
        done = await schedule.run(
            {"a": lambda: workers.request(0, "/count", cookie), "b": lambda: workers.request(second, "/count", cookie)}
        )
        after = await workers.alive(cookie)
        assert after is not None
        assert after.data["count"] == sum(response.json() == "counted" for response in done.values()) >= 1

    await workers.race(scenario)


@pytest.mark.parametrize("how", ["destroy", "revoke", "revoke_user", pytest.param("revoke_all", marks=pytest.mark.lengthy)])
@pytest.mark.security("LC-08", "LC-10")
async def test_a_save_after_a_revocation_recreates_nothing(workers: Workers, second: int, how: str) -> None:
    """An operator's revocation is final, also for a request that is under way."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        session = await workers.session(name)
        cookie = credential_of(session)
        operator = workers.middlewares[second].manager
        revoke = {
            "destroy": lambda: operator.destroy(session.handle),
            "revoke": lambda: operator.revoke(session.handle),
            "revoke_user": lambda: operator.revoke_user(name),
            "revoke_all": operator.revoke_all,
        }[how]
        done = await schedule.run({"save twice": lambda: saves_twice(workers, cookie), "revoke": revoke})
        assert await workers.alive(cookie) is None
        assert await workers.live_sessions(name) == []
        assert all(response.json() is None or given(response) is None for response in done["save twice"])

    await workers.race(scenario, costly=how == "revoke_all")


async def saves_twice(workers: Workers, cookie: str) -> list[object]:
    """Two requests of one client, one after the other; the second may be served from the cache."""
    return [await workers.request(0, "/set?new", cookie), await workers.request(0, "/set?newer", cookie)]


@pytest.mark.lengthy
@pytest.mark.security("LC-08", "LC-10", "LC-13")
async def test_two_saves_and_a_revocation(workers: Workers, second: int) -> None:
    """Three at once: neither save brings the session back, alone or by way of the other."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name))
        operator = workers.middlewares[second].manager
        done = await schedule.run(
            {
                "a": lambda: workers.request(0, "/set?a", cookie),
                "b": lambda: workers.request(second, "/set?b", cookie),
                "revoke": lambda: operator.revoke_user(name),
            }
        )
        assert await workers.alive(cookie) is None
        assert await workers.live_sessions(name) == []
        assert all(done[which].json() is None or given(done[which]) is None for which in ("a", "b"))

    await workers.race(scenario, at_least=20, only_steps=True)


@pytest.mark.security("LC-01", "LC-08")
async def test_of_two_new_ids_one_is_given(workers: Workers, second: int) -> None:
    """Both ask for a new id: one gets it, the other is refused without a cookie, and the old id is dead."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name))
        done = await schedule.run(
            {"a": lambda: workers.request(0, "/regenerate", cookie), "b": lambda: workers.request(second, "/regenerate", cookie)}
        )
        [new] = [given(response) for response in done.values() if given(response) is not None]
        assert await workers.alive(cookie) is None
        after = await workers.alive(new)
        assert after is not None
        assert (after.user_id, after.data) == (name, {"old": 1})
        assert await workers.live_sessions(name) == [after.handle]

    await workers.race(scenario)


@pytest.mark.security("LC-01")
async def test_the_old_id_is_dead_before_the_first_byte(workers: Workers, second: int) -> None:
    """At no moment at which a response with the new id may start does the old one still open anything."""

    async def scenario(schedule: Schedule) -> None:
        cookie = credential_of(await workers.session(workers.new_name()))
        seen: list[bool] = []

        async def look() -> None:
            for _ in range(3):
                await schedule.gate("look")
                with schedule.under_way():
                    seen.append("new id response" in schedule.order and await workers.alive(cookie) is not None)

        done = await schedule.run({"new id": lambda: workers.request(second, "/regenerate", cookie), "look": look})
        assert not any(seen)
        assert await workers.alive(given(done["new id"])) is not None

    await workers.race(scenario)


@pytest.mark.security("LC-01", "LC-08")
async def test_a_save_beside_a_new_id_keeps_one_session(workers: Workers, second: int) -> None:
    """The save goes along to the new id, or is refused; the old id never comes back."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name))
        done = await schedule.run(
            {"save": lambda: workers.request(0, "/set?new", cookie), "move": lambda: workers.request(second, "/regenerate", cookie)}
        )
        assert await workers.alive(cookie) is None
        after = await workers.alive(given(done["move"]))
        assert after is not None
        steps = [step for step in schedule.order if step in ("save before commit", "move before regenerate")]
        assert ("new" in after.data) is (steps[0] == "save before commit")
        assert await workers.live_sessions(name) == [after.handle]

    await workers.race(scenario)


@pytest.mark.parametrize("was_logged_in", [False, True])
@pytest.mark.security("LC-01")
async def test_a_login_beside_a_logout(workers: Workers, second: int, was_logged_in: bool) -> None:
    """The old session is dead in every order; the login, which proved who it is, has one session of its own."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name if was_logged_in else None))
        login = f"/login?{name}"
        done = await schedule.run(
            {"login": lambda: workers.request(0, login, cookie), "logout": lambda: workers.request(second, "/logout", cookie)}
        )
        assert await workers.alive(cookie) is None
        new = await workers.alive(given(done["login"]))
        assert new is not None
        assert await workers.live_sessions(name) == [new.handle]
        assert given(done["logout"]) is None

    await workers.race(scenario)


@pytest.mark.security("LC-01", "LC-13")
async def test_a_save_beside_a_login_again_is_kept(workers: Workers, second: int) -> None:
    """A user logs in once more: what another request was told that it saved is in the session that comes out of it."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name))
        done = await schedule.run(
            {
                "login": lambda: workers.request(0, f"/login?{name}", cookie),
                "save": lambda: workers.request(second, "/save?new", cookie),
            }
        )
        assert await workers.alive(cookie) is None
        after = await workers.alive(given(done["login"]))
        assert after is not None
        assert (after.user_id, after.data) == (name, {"old": 1, **({"new": 1} if done["save"].json() == "saved" else {})})
        assert await workers.live_sessions(name) == [after.handle]

    await workers.race(scenario)


@pytest.mark.security("LC-01", "LC-13")
async def test_a_new_id_beside_a_login_again(workers: Workers, second: int) -> None:
    """One session comes out of both; where the login met it under its old id, nothing of it is lost."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookie = credential_of(await workers.session(name))
        done = await schedule.run(
            {
                "login": lambda: workers.request(0, f"/login?{name}", cookie),
                "move": lambda: workers.request(second, "/regenerate?new", cookie),
            }
        )
        after = await workers.alive(given(done["login"]))
        assert after is not None
        moved = given(done["move"]) if done["move"].json() == name else None
        assert await workers.live_sessions(name) == [after.handle]
        if after.data:
            assert after.data == {"old": 1, **({"new": 1} if moved is not None else {})}
        else:  # it found the old id dead: a login like any other, which ends what it replaces also under its new id
            assert await workers.alive(moved) is None

    await workers.race(scenario)


@pytest.mark.security("LC-02")
async def test_an_id_that_the_client_chose_is_never_adopted(workers: Workers, second: int) -> None:
    """Even one with a good signature (a session that is over): each request that keeps something gets an id of its own."""

    async def scenario(schedule: Schedule) -> None:
        chosen = CredentialSigner([SECRET]).sign(new_session_id("123"))
        await workers.meet(chosen)
        done = await schedule.run(
            {"a": lambda: workers.request(0, "/set?a", chosen), "b": lambda: workers.request(second, "/set?b", chosen)}
        )
        new = {given(response) for response in done.values()}
        assert len(new) == 2
        assert chosen not in new
        assert await workers.alive(chosen) is None
        assert all([await workers.alive(credential) for credential in new])

    await workers.race(scenario)


@pytest.mark.lengthy
@pytest.mark.parametrize("target", ["mine", "other"])
@pytest.mark.security("LC-10", "LC-13")
async def test_revoke_others_keeps_its_own(workers: Workers, second: int, target: str) -> None:
    """Beside a save in the same session, which is kept, or one in another session, which is ended."""

    async def scenario(schedule: Schedule) -> None:
        name = workers.new_name()
        cookies = {which: credential_of(await workers.session(name)) for which in ("mine", "other")}
        await schedule.run(
            {
                "revoke": lambda: workers.request(0, "/revoke_others", cookies["mine"]),
                "save": lambda: workers.request(second, "/set?new", cookies[target]),
            }
        )
        after = await workers.alive(cookies["mine"])
        assert after is not None
        assert after.data == ({"old": 1, "new": 1} if target == "mine" else {"old": 1})
        assert await workers.alive(cookies["other"]) is None

    await workers.race(scenario)
