"""The documented way to limit a login by address and by account, just as docs/handlers.md has it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.asgi import Response, exchange, http_scope
from tests.support.site import SITE, pages, sessions, visiting

_HANDLERS = Path(__file__).parents[2] / "docs" / "handlers.md"
PER_ACCOUNT, PER_ADDRESS = 5, 20


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Refuses every password; whom ``/login`` names is logged in (``SITE``)."""
    known = {**SITE, scope["path"]: lambda _: "wrong"} if scope["path"].startswith("/login/") else SITE
    await pages(known)(scope, receive, send)


@pytest.fixture
def app() -> Any:
    """The application with the documented rules."""
    code = re.search(r"### A login, limited .*?```python\n(.*?)```", _HANDLERS.read_text(), re.DOTALL)
    assert code is not None
    documented: dict[str, Any] = {}
    exec(code[1], documented)
    return sessions(application, rate_limits=documented["rate_limits"])


async def attempt(app: Any, account: str, address: str) -> Response:
    """One try to log in."""
    return await exchange(app, http_scope("POST", f"/login/{account}", client=(address, 1)))


@pytest.mark.security("RL-11")
async def test_an_account_is_limited_wherever_its_guesses_come_from(app: Any) -> None:
    """A guesser with many addresses, and many spellings of the name, gets no further; other accounts are not touched."""
    async with visiting(app):
        spellings = ["ada", "Ada", "ADA", "ada/", "aDa"]
        assert [(await attempt(app, name, f"192.0.2.{index}")).status for index, name in enumerate(spellings)] == [
            200
        ] * PER_ACCOUNT
        refused = await attempt(app, "ada", "192.0.2.99")
        assert refused.status == 429
        assert 1 <= int(refused.get("retry-after") or 0) <= 60
        assert (await attempt(app, "grace", "192.0.2.99")).status == 200


@pytest.mark.security("RL-11")
async def test_an_address_is_limited_whatever_accounts_it_tries(app: Any) -> None:
    """One password for many accounts is guessing too."""
    async with visiting(app):
        statuses = [(await attempt(app, f"user{number}", "192.0.2.1")).status for number in range(PER_ADDRESS + 1)]
        assert statuses == [200] * PER_ADDRESS + [429]
        assert (await attempt(app, "user0", "192.0.2.2")).status == 200


@pytest.mark.security("RL-11")
async def test_whose_account_is_guessed_at_stays_signed_in(app: Any) -> None:
    """The limit is one of the login: sessions of the account go on."""
    async with visiting(app) as victim:
        await victim.get("/login?ada")
        for _ in range(PER_ACCOUNT + 1):
            last = await attempt(app, "ada", "192.0.2.1")
        assert last.status == 429
        assert (await victim.get("/who")).json()["user"] == "ada"
