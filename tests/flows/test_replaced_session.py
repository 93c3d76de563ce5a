"""Handlers that treat `scope["session"]` as the dictionary that it is: replace it, empty it, delete it."""

from collections import OrderedDict
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.site import SITE, sessions, visiting


class Empty(Enum):
    """What Litestar puts into the scope of a session that was cleared."""

    EMPTY = 0


MAPPINGS = [{"new": 1}, OrderedDict(new=1), MappingProxyType({"new": 1})]


@pytest.mark.parametrize("replacement", MAPPINGS, ids=lambda value: type(value).__name__)
async def test_another_mapping_is_the_new_data(store: object, replacement: Any) -> None:
    """What it holds is saved in the place of what was there; session and cookie stay."""

    def replace(scope: dict[str, Any]) -> None:
        scope["session"] = replacement

    async with visiting(sessions({**SITE, "/replace": replace}, store=store)) as browser:
        await browser.get("/count")
        cookie = browser.cookie
        assert (await browser.get("/replace")).all("set-cookie") == []
        assert browser.cookie == cookie
        assert (await browser.get("/read")).json() == {"new": 1}


async def test_a_new_session_may_be_replaced_too(store: object) -> None:
    """A visitor's first values come in a dictionary of the handler's own."""

    def replace(scope: dict[str, Any]) -> None:
        scope["session"] = {"new": [1, {"deep": 2}]}

    async with visiting(sessions({**SITE, "/replace": replace}, store=store)) as browser:
        await browser.get("/replace")
        assert (await browser.get("/read")).json() == {"new": [1, {"deep": 2}]}


NOTHING = {"empty": {}, "None": None, "sentinel": Empty.EMPTY}


@pytest.mark.parametrize("nothing", NOTHING)
async def test_nothing_ends_the_session(store: object, nothing: str) -> None:
    """An empty mapping, None or a framework's own mark of emptiness: record and cookie go."""

    def empty(scope: dict[str, Any]) -> None:
        scope["session"] = NOTHING[nothing]

    async with visiting(sessions({**SITE, "/empty": empty}, store=store)) as browser:
        await browser.get("/count")
        old = browser.cookie
        await browser.get("/empty")
        assert len(browser.jar) == 0
        assert (await browser.request("GET", "/read", cookie=old)).json() == {}


async def test_deleting_the_key_ends_the_session(store: object) -> None:
    """`del scope["session"]` is read as the wish to be without one."""

    def remove(scope: dict[str, Any]) -> None:
        del scope["session"]

    async with visiting(sessions({**SITE, "/remove": remove}, store=store)) as browser:
        await browser.get("/count")
        await browser.get("/remove")
        assert len(browser.jar) == 0


async def test_clear_ends_the_session_also_of_a_user(store: object) -> None:
    """Starlette's way of logging out: clear() leaves neither record nor cookie."""

    def clear(scope: dict[str, Any]) -> None:
        scope["session"].clear()

    async with visiting(sessions({**SITE, "/clear": clear}, store=store)) as browser:
        await browser.get("/login?alice")
        old = browser.cookie
        await browser.get("/clear")
        assert len(browser.jar) == 0
        assert (await browser.request("GET", "/who", cookie=old)).json()["user"] is None
        assert await browser.app.manager.list_for_user("alice") == []


async def test_clear_and_fill_keeps_the_session(store: object) -> None:
    """What is there in the end counts: other values, same session."""

    def renew(scope: dict[str, Any]) -> None:
        scope["session"].clear()
        scope["session"]["fresh"] = True

    async with visiting(sessions({**SITE, "/renew": renew}, store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        await browser.get("/renew")
        assert (await browser.get("/read")).json() == {"fresh": True}
        assert (await browser.get("/who")).json()["user"] == "alice"


async def test_removing_the_last_key_keeps_a_user_logged_in(store: object) -> None:
    """Only clear() means the whole session; a user whose session holds no values is still a user."""

    def tidy(scope: dict[str, Any]) -> None:
        del scope["session"]["visits"]

    async with visiting(sessions({**SITE, "/tidy": tidy}, store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        await browser.get("/tidy")
        assert (await browser.get("/who")).json()["user"] == "alice"


async def test_clearing_what_is_empty_does_nothing(store: object) -> None:
    """A visitor without a session has nothing to lose."""

    def clear(scope: dict[str, Any]) -> None:
        scope["session"].clear()

    async with visiting(sessions({"/": clear}, store=store)) as browser:
        assert (await browser.get("/")).all("set-cookie") == []


@pytest.mark.security("LC-08")
async def test_nothing_in_the_place_of_nothing_ends_nothing(store: object) -> None:
    """A request with an old id sees nobody; what it writes back must not end the session that another request has just renewed."""

    def write_back(scope: dict[str, Any]) -> None:
        scope["session"] = dict(scope["session"])

    def renew(scope: dict[str, Any]) -> None:
        scope["session"].regenerate_id()

    async with visiting(sessions({**SITE, "/write-back": write_back, "/renew": renew}, store=store)) as browser:
        await browser.get("/login?alice")
        old = browser.cookie
        await browser.get("/renew")
        assert (await browser.request("GET", "/write-back", cookie=old)).all("set-cookie") == []
        assert (await browser.get("/who")).json()["user"] == "alice"
        assert (await browser.get("/write-back")).all("set-cookie") == []
        assert (await browser.get("/who")).json()["user"] == "alice"
