"""A cookie in another client's hands, on every store: the fingerprint goes where the session goes."""

from typing import Any

import pytest

from asgi_session import FingerprintPolicy, ValidationPolicy
from tests.support.asgi import Scope
from tests.support.site import SITE, Browser, sessions, visiting

CHROME = (("user-agent", "Chrome/140.0"), ("accept-language", "en"), ("accept-encoding", "gzip, br"))
SCRIPT = (("user-agent", "curl/8"),)


async def renew(scope: Scope) -> Any:
    """Get a new id."""
    scope["session"].regenerate_id()


def guarded(store: object, on_mismatch: str) -> Any:
    """A worker that does this with another client."""
    policy = ValidationPolicy(fingerprint=FingerprintPolicy(on_mismatch=on_mismatch))  # type: ignore[arg-type]
    return sessions({**SITE, "/renew": renew}, store=store, validation=policy)


async def as_script(owner: Browser) -> Any:
    """Who a script is that asks with the browser's cookie."""
    return (await Browser(owner.app, headers=SCRIPT).request("GET", "/who", cookie=owner.cookie)).json()


@pytest.mark.security("LC-16")
async def test_whatever_becomes_of_the_session_it_stays_its_clients(store: object) -> None:
    """After a change, a new id, another login, and while nobody is logged in yet."""
    async with visiting(guarded(store, "step_up"), headers=CHROME) as owner:
        for step in ("/count", "/renew", "/login?alice", "/count", "/renew", "/login?alice"):
            await owner.get(step)
            user = (await owner.get("/who")).json()["user"]
            assert (await as_script(owner))["reason"] == "step_up"
            assert (await owner.get("/who")).json()["user"] == user


@pytest.mark.security("LC-16")
async def test_a_revocation_reaches_the_other_workers(store: object) -> None:
    """The owner is served by one worker, from its cache; the thief asks another one."""
    here, there = guarded(store, "revoke"), guarded(store, "revoke")
    async with visiting(here, headers=CHROME) as owner, visiting(there):
        await owner.get("/login?alice")
        await owner.get("/who")
        thief = Browser(there, headers=SCRIPT)
        assert (await thief.request("GET", "/who", cookie=owner.cookie)).json()["reason"] == "revoked"
        for _ in range(200):
            seen = (await owner.get("/who")).json()
            if seen["user"] is None:
                break
        assert seen["reason"] == "absent"
        assert not [session for session in await owner.app.manager.list_for_user("alice") if session.is_live]
