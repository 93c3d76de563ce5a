"""Another client presents a session: what the log says, and what becomes of the request and of the session."""

import asyncio
import logging
from typing import Any

import pytest

from asgi_session import FingerprintPolicy, SessionError, SessionGone, SessionManager, StoreUnavailable, ValidationPolicy
from asgi_session.ids import store_key
from asgi_session.record import Changes
from asgi_session.stages import strangers
from asgi_session.stores.memory import MemoryStore
from tests.support.asgi import Conversation, Response, Scope, exchange, websocket_scope
from tests.support.site import SECRET, SITE, Browser, bearer, cookies_named, sessions, visiting
from tests.support.stores import Gate, WatchedStore

CHROME = (("user-agent", "Chrome/140.0"), ("accept-language", "en"), ("accept-encoding", "gzip, br"), ("sec-ch-ua-mobile", "?0"))
SCRIPT = (("user-agent", "curl/8"), ("accept-encoding", "gzip"))
FULL = ["full", False]
STEP_UP = ValidationPolicy(fingerprint=FingerprintPolicy(on_mismatch="step_up"))


def how(scope: Scope) -> Any:
    """Who is it, and how was that judged?"""
    session = scope["session"]
    return {"user": session.user_id, "verdict": list(scope["asgi_session"].verdict), "changes": list(session.client_changes)}


def draft(scope: Scope) -> None:
    """Keep something for whoever asks."""
    scope["session"]["draft"] = "x"


PAGES = {**SITE, "/how": how, "/draft": draft}


def guarded(on_mismatch: str, **options: Any) -> Any:
    """A site that does this with another client."""
    policy = ValidationPolicy(fingerprint=FingerprintPolicy(on_mismatch=on_mismatch, **options.pop("fingerprint", {})))  # type: ignore[arg-type]
    return sessions(PAGES, validation=policy, **options)


async def by_script(owner: Browser, target: str = "/how") -> Response:
    """A script asks with the cookie that it took from the browser."""
    return await Browser(owner.app, headers=SCRIPT).request("GET", target, cookie=owner.cookie)


@pytest.mark.security("LC-16")
async def test_log_lets_the_client_in(caplog: pytest.LogCaptureFixture) -> None:
    """The default: the log says so, once, and the handler can ask in what the client differs."""
    async with visiting(sessions(PAGES), headers=CHROME) as owner:
        await owner.get("/login?alice")
        assert (await owner.get("/how")).json()["changes"] == []
        for _ in range(3):
            seen = (await by_script(owner)).json()
            assert (seen["user"], seen["changes"]) == ("alice", ["accept-encoding", "user-agent", "accept-language"])
            assert (await owner.get("/how")).json()["user"] == "alice"
    (line,) = [record for record in caplog.records if record.name == "asgi_session.fingerprint"]
    assert line.levelno == logging.WARNING
    told = line.mismatch  # type: ignore[attr-defined]
    assert (told["action"], told["changed"], told["missing"]) == ("log", "accept-encoding,user-agent", "accept-language")
    assert owner.credential not in caplog.text


@pytest.mark.security("LC-16")
async def test_step_up_knows_nobody() -> None:
    """To the script nobody is logged in, however often it asks; the owner's session goes on, from the cache too."""
    async with visiting(guarded("step_up"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        for _ in range(3):
            assert (await by_script(owner)).json() == {"user": None, "verdict": [*FULL, "step_up"], "changes": []}
            assert (await owner.get("/how")).json()["user"] == "alice"
            assert (await owner.get("/how")).json()["verdict"] == ["quick", True, "valid"]


@pytest.mark.security("LC-16")
async def test_who_was_turned_away_never_rides_on_a_verdict() -> None:
    """Also where it is the only one who asks: each time the full tier looks."""
    store = WatchedStore()
    async with visiting(guarded("step_up", store=store), headers=CHROME) as owner:
        await owner.get("/login?alice")
        for loads in (1, 2, 3):
            assert (await by_script(owner)).json()["verdict"] == [*FULL, "step_up"]
            assert store.calls["load"] == loads


@pytest.mark.parametrize("first", ["the owner", "the script"])
@pytest.mark.security("LC-16")
async def test_who_joins_a_load_is_judged_by_its_own_client(first: str) -> None:
    """Whoever began it: one load, and an answer for each of them. Nobody rides on it who was not accepted."""
    store = WatchedStore()
    async with visiting(guarded("step_up", store=store), headers=CHROME) as owner:
        await owner.get("/login?alice")
        gate = store.gates["load"] = Gate()
        is_script = [number % 2 == (first == "the owner") for number in range(10)]
        asked = [asyncio.ensure_future(by_script(owner) if script else owner.get("/how")) for script in is_script]
        await gate.reached.wait()
        gate.opened.set()
        users = [answer.json()["user"] for answer in await asyncio.gather(*asked)]
        assert users == [None if script else "alice" for script in is_script]
        assert store.calls["load"] == 1
        assert (await by_script(owner)).json()["user"] is None


@pytest.mark.parametrize("name", [*dict(CHROME), "sec-ch-ua-platform", "x-device-id"])
@pytest.mark.security("LC-16")
async def test_each_part_belongs_to_the_context_of_a_verdict(name: str) -> None:
    """Whoever differs in it alone, also in a second line of the header, is looked at in full: nobody rides past the comparison."""
    policy = ValidationPolicy(fingerprint=FingerprintPolicy(headers=["user-agent", "x-device-id"]))
    headers = [*CHROME, ("sec-ch-ua-platform", "x"), ("x-device-id", "1")]
    async with visiting(sessions(PAGES, validation=policy), headers=headers) as owner:
        await owner.get("/login?alice")
        await owner.get("/how")
        assert (await owner.get("/how")).json()["verdict"] == ["quick", True, "valid"]
        seen = (await owner.get("/how", headers=[(name, "another line")])).json()
        assert seen["verdict"] == [*FULL, "context"]
        assert (await owner.get("/how")).json()["verdict"] == [*FULL, "context"]


async def test_a_judgement_that_breaks_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in it (a log handler that raises, a store that returns nonsense) fails the request and leaves nothing to ride on."""
    async with visiting(guarded("step_up"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        with monkeypatch.context() as patched:
            patched.setattr(strangers.Strangers, "_tell", lambda *_: 1 / 0)
            for _ in range(2):
                with pytest.raises(ZeroDivisionError):
                    await by_script(owner)
        assert (await by_script(owner)).json()["user"] is None
        assert (await owner.get("/how")).json()["user"] == "alice"


async def test_a_socket_is_judged_like_a_request() -> None:
    """A handshake of another client gets no session; the owner's, which brings no hints, gets it."""

    async def chat(scope: Scope, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "reason": str(scope["session"].user_id)})

    app = sessions(PAGES, validation=STEP_UP)
    async with visiting(app, headers=CHROME) as owner:
        await owner.get("/login?alice")
        app.app = chat
        for headers, user in ((CHROME[:3], "alice"), (SCRIPT, "None")):
            scope = websocket_scope(headers=[*headers, ("cookie", owner.cookie)])
            async with Conversation(app, scope) as talk:
                talk.say("websocket.connect")
                response = await talk.ended()
            assert response.messages[-1]["reason"] == user


@pytest.mark.security("LC-16")
@pytest.mark.parametrize(("site", "reason"), [("cross-site", "step_up"), ("same-site", "step_up"), ("same-origin", "revoked")])
async def test_no_page_elsewhere_signs_people_out(site: str, reason: str) -> None:
    """A page of another site can make the owner's browser ask with another language: that is turned away, and ends nothing."""
    async with visiting(guarded("revoke"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        lines = [*SCRIPT, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]
        seen = (await Browser(owner.app, headers=lines).request("GET", "/how", cookie=owner.cookie)).json()
        assert seen["verdict"] == [*FULL, reason]
        assert ((await owner.get("/how")).json()["user"] == "alice") is (reason == "step_up")


@pytest.mark.parametrize("on_mismatch", ["step_up", "revoke"])
async def test_what_a_stranger_gets_is_kept_by_no_cache(on_mismatch: str) -> None:
    """The same cookie opens another page to its owner."""
    async with visiting(guarded(on_mismatch), headers=CHROME) as owner:
        await owner.get("/login?alice")
        assert (await by_script(owner, "/read")).get("cache-control") == "no-store"


async def test_visitors_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can have sessions of nobody, and present each from two clients: that is no warning."""
    async with visiting(sessions(PAGES), headers=CHROME) as visitor:
        await visitor.get("/count")
        with caplog.at_level(logging.INFO, "asgi_session.fingerprint"):
            await by_script(visitor)
    (line,) = [record for record in caplog.records if record.name == "asgi_session.fingerprint"]
    assert line.levelno == logging.INFO


async def test_after_step_up_a_login_is_one_of_this_client() -> None:
    """Another browser logs in with the old one's cookie: that ends the session it could not use, and the new one is its own."""
    async with visiting(guarded("step_up"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        updated = Browser(owner.app, headers=SCRIPT)
        updated.jar = owner.jar
        assert (await updated.get("/how")).json()["user"] is None
        await updated.get("/login?alice")
        assert (await updated.get("/how")).json() == {"user": "alice", "verdict": [*FULL, "valid"], "changes": []}
        assert len(await owner.app.manager.list_for_user("alice")) == 1


async def test_who_is_turned_away_can_still_fill_a_session() -> None:
    """A login page needs one; it is another session, and nothing of the owner's is in it."""
    async with visiting(guarded("step_up"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        await owner.get("/count")
        response = await by_script(owner, "/draft")
        (line,) = cookies_named(response)
        assert owner.credential not in line
        assert (await owner.get("/read")).json() == {"visits": 1}


@pytest.mark.security("LC-16")
async def test_revoke_ends_the_session() -> None:
    """For everybody, its owner too; it is listed as revoked."""
    async with visiting(guarded("revoke"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        await owner.get("/how")
        assert (await by_script(owner)).json() == {"user": None, "verdict": [*FULL, "revoked"], "changes": []}
        assert (await owner.get("/how")).json()["user"] is None
        (listed,) = await owner.app.manager.list_for_user("alice")
        assert not listed.is_live


@pytest.mark.security("LC-16")
@pytest.mark.parametrize("left_out", ["accept-language", "accept-encoding", "sec-ch-ua-mobile"])
async def test_a_missing_header_or_a_new_address_revokes_nothing(left_out: str) -> None:
    """The owner itself, through a proxy that takes a header away, from another network."""
    async with visiting(guarded("revoke"), headers=CHROME) as owner:
        await owner.get("/login?alice")
        plain = Browser(owner.app, headers=[line for line in CHROME if line[0] != left_out])
        scope = plain.scope("GET", "/how", cookie=owner.cookie) | {"client": ("203.0.113.9", 1)}
        assert (await exchange(owner.app, scope)).json()["user"] == "alice"
        assert (await owner.get("/how")).json()["user"] == "alice"


async def test_a_store_that_only_destroys() -> None:
    """Where a store can't list what was revoked, the session is ended all the same."""
    store = MemoryStore()

    class Plain:
        """What `SessionStore` asks for, and no more."""

        namespace = store.namespace
        problems, start, stop = store.problems, store.start, store.stop
        create, load, commit = store.create, store.load, store.commit
        regenerate, destroy = store.regenerate, store.destroy

    async with visiting(guarded("revoke", store=Plain()), headers=CHROME) as owner:
        await owner.get("/login?alice")
        assert (await by_script(owner)).json()["verdict"] == [*FULL, "revoked"]
        assert (await owner.get("/how")).json()["user"] is None


@pytest.mark.parametrize(("on_store_error", "status"), [("reject", 503), ("anonymous", 200)])
async def test_a_revocation_that_fails(on_store_error: str, status: int) -> None:
    """The client is not let in for that; the cookie stays."""
    store = WatchedStore()
    async with visiting(guarded("revoke", store=store, on_store_error=on_store_error), headers=CHROME) as owner:
        await owner.get("/login?alice")
        store.failures["revoke"] = StoreUnavailable("down")
        response = await by_script(owner)
        assert (response.status, response.all("set-cookie")) == (status, [])
        assert status == 503 or response.json()["user"] is None


@pytest.mark.parametrize(("on_mismatch", "error"), [("step_up", "insufficient_user_authentication"), ("revoke", "invalid_token")])
async def test_a_bearer_is_told(on_mismatch: str, error: str) -> None:
    """401 with the challenge that says what to do (RFC 9470 for a session that is good, but not from here)."""
    async with visiting(guarded(on_mismatch), headers=CHROME) as owner:
        await owner.get("/login?alice")
        script = Browser(owner.app, headers=[*SCRIPT, *bearer(owner.credential)])
        response = await script.get("/how")
        assert response.status == 401
        assert f'error="{error}"' in (response.get("www-authenticate") or "")


async def test_a_session_without_a_fingerprint_is_anybodys() -> None:
    """One that the manager made for a client that it has never seen, and one from before there were fingerprints."""
    async with visiting(guarded("revoke"), headers=CHROME) as owner:
        made = await owner.app.manager.create("alice")
        for headers in (CHROME, SCRIPT):
            visitor = Browser(owner.app, headers=[*headers, *bearer(made.credential or "")])
            assert (await visitor.get("/how")).json()["user"] == "alice"


async def test_none_remembers_nothing() -> None:
    """No fingerprint is made, and one from before is not looked at."""
    store = MemoryStore()
    async with visiting(guarded("revoke", store=store), headers=CHROME) as owner:
        await owner.get("/login?alice")
        plain = sessions(PAGES, store=store, validation=ValidationPolicy(fingerprint=None))
        async with visiting(plain) as script:
            seen = (await script.request("GET", "/how", cookie=owner.cookie, headers=SCRIPT)).json()
            assert (seen["user"], seen["changes"]) == ("alice", [])


async def test_one_that_can_not_be_read_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody wrote into the store: that is no missing fingerprint (row E1), so whoever comes is another client."""
    store = WatchedStore()
    async with visiting(guarded("step_up", store=store), headers=CHROME) as owner:
        await owner.get("/login?alice")
        key = store_key(owner.credential.partition(".")[0])
        await store.commit(key, Changes(login={"fingerprint": "?"}))
        assert (await owner.get("/how")).json()["verdict"] == [*FULL, "step_up"]
    (line,) = [record for record in caplog.records if record.name == "asgi_session.fingerprint"]
    assert line.levelno == logging.ERROR


async def test_what_was_told_is_forgotten_in_time(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sessions are stolen, the memory of it is bounded."""
    monkeypatch.setattr(strangers, "REMEMBERED", 2)
    async with visiting(sessions(PAGES), headers=CHROME) as first:
        owners = [first, Browser(first.app, headers=CHROME), Browser(first.app, headers=CHROME)]
        for owner in owners:
            await owner.get("/login?alice")
        for owner in (*owners, owners[0]):
            await by_script(owner)
            await owner.get("/how")
    assert len([record for record in caplog.records if record.name == "asgi_session.fingerprint"]) == 4


async def test_lists_of_sessions_do_not_show_it() -> None:
    """A page of "my devices" shows what a person understands; and nobody may plant one."""
    async with visiting(sessions(PAGES), headers=CHROME) as owner:
        await owner.get("/login?alice")
        (listed,) = await owner.app.manager.list_for_user("alice")
        assert set(listed.metadata) == {"network", "user_agent"}
        async with SessionManager(SECRET) as manager:
            with pytest.raises(SessionError, match="fingerprint"):
                await manager.create("alice", metadata={"fingerprint": "x"})


async def test_the_verbs_of_a_session_give_a_stranger_nothing() -> None:
    """It can't ask for the session that it was denied, end the user's others, or wait for its end as if it had one."""

    async def verbs(scope: Scope) -> Any:
        session = scope["session"]
        with pytest.raises(SessionGone):
            await session.require_fresh()
        with pytest.raises(SessionError):
            await session.revoke_others()
        await session.wait_ended()
        return [session.user_id, session.handle, session.credential, scope["user"].is_authenticated]

    async with visiting(sessions({**PAGES, "/verbs": verbs}, validation=STEP_UP), headers=CHROME) as owner:
        await owner.get("/login?alice")
        assert (await by_script(owner, "/verbs")).json() == [None, None, None, False]
        assert (await owner.get("/how")).json()["user"] == "alice"


@pytest.mark.security("LC-16")
async def test_another_network_where_it_counts() -> None:
    """Behind a trusted proxy it is the client's, not the proxy's; where it is not asked for, it changes nothing."""
    for counts in (True, False):
        policy = ValidationPolicy(fingerprint=FingerprintPolicy(network=counts, tolerance=0, on_mismatch="step_up"))
        app = sessions(PAGES, validation=policy, trusted_proxies=["198.51.100.0/24"])
        async with visiting(app, headers=CHROME) as owner:
            await owner.get("/login?alice", headers=[("x-forwarded-for", "203.0.113.7")])
            users = [
                (await owner.get("/how", headers=[("x-forwarded-for", address)])).json()["user"]
                for address in ("203.0.113.7", "203.0.113.8", "203.0.113.7")
            ]
            assert users == ["alice", None if counts else "alice", "alice"]
