"""An attacker plants a session id in the victim's browser, and waits for the login."""

import pytest

from tests.support.site import COOKIE, Browser, sessions, visiting

CHOSEN = [
    "attacker",
    "",
    "null",
    "undefined",
    "0",
    "a" * 43,
    "a" * 90,
    "0" * 45 + "A." + "A" * 43,
    "../../etc/passwd",
    "{}",
    "'; DROP",
]


@pytest.mark.security("LC-02")
@pytest.mark.parametrize("chosen", CHOSEN)
async def test_an_id_that_we_did_not_issue_is_never_adopted(store: object, chosen: str) -> None:
    """Whatever stands in the cookie, the session that begins has an id of ours (design rule 5)."""
    async with visiting(sessions(store=store)) as browser:
        response = await browser.request("GET", "/count", cookie=f"{COOKIE}={chosen}")
        (line,) = response.all("set-cookie")
        issued = line.partition(";")[0].partition("=")[2]
        assert issued != chosen
        assert (await browser.request("GET", "/read", cookie=f"{COOKIE}={chosen}")).json() == {}


@pytest.mark.security("LC-01", "LC-02")
async def test_a_planted_session_does_not_become_the_victims(store: object) -> None:
    """The attacker's own, validly signed session: the victim's login leaves it behind, dead and empty."""
    async with visiting(sessions(store=store)) as attacker:
        await attacker.get("/count")
        planted = attacker.cookie
        victim = Browser(attacker.app)
        response = await victim.request("GET", "/login?victim", cookie=planted)
        assert len(response.all("set-cookie")) == 1
        for _ in range(2):
            assert (await attacker.get("/who")).json()["user"] is None
            assert (await attacker.get("/read")).json() == {}


@pytest.mark.security("LC-01")
async def test_a_planted_login_ends_with_the_victims_own(store: object) -> None:
    """The attacker logs in, plants that session, and the victim logs in over it: nothing of the one is seen by the other."""
    async with visiting(sessions(store=store)) as attacker:
        await attacker.get("/login?mallory")
        await attacker.get("/count")
        planted = attacker.cookie
        victim = Browser(attacker.app)
        await victim.request("GET", "/login?victim", cookie=planted)
        assert (await victim.get("/read")).json() == {}
        assert (await attacker.get("/who")).json()["user"] is None


@pytest.mark.security("LC-02")
async def test_a_session_of_another_service_is_not_ours(store: object) -> None:
    """Another secret, same store: the signature says whose it is."""
    async with visiting(sessions(store=store, secret_key="the secret of another service, which is long")) as theirs:
        await theirs.get("/login?alice")
        async with visiting(sessions(store=store)) as ours:
            assert (await ours.request("GET", "/who", cookie=theirs.cookie)).json()["user"] is None
