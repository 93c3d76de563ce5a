"""Requests of one session at the same time: nobody's change is lost, nobody sees what another one has not saved."""

import asyncio
from typing import Any

import pytest

from asgi_session import SessionConflict
from tests.support.site import SITE, Browser, sessions, visiting
from tests.support.stores import Gate


def parse(scope: dict[str, Any]) -> tuple[str, str]:
    """`?key=value`."""
    key, _, value = scope["query_string"].decode().partition("=")
    return key, value


async def test_changes_of_different_keys_all_survive(store: object) -> None:
    """Twenty requests load the same session, then each saves a key of its own (design rule 3)."""
    barrier = asyncio.Barrier(20)

    async def put(scope: dict[str, Any]) -> None:
        key, value = parse(scope)
        scope["session"][key] = value
        await barrier.wait()

    async with visiting(sessions({**SITE, "/put": put}, store=store)) as browser:
        await browser.get("/login?alice")
        await asyncio.gather(*(browser.get(f"/put?k{number}=v{number}") for number in range(20)))
        assert (await browser.get("/read")).json() == {f"k{number}": f"v{number}" for number in range(20)}


async def test_one_removes_what_another_leaves_alone(store: object) -> None:
    """A removed key stays removed although a request that had loaded it saves something else later."""
    gate = Gate()

    async def slow(scope: dict[str, Any]) -> None:
        scope["session"]["slow"] = True
        await gate.pass_through()

    def remove(scope: dict[str, Any]) -> None:
        del scope["session"]["visits"]

    async with visiting(sessions({**SITE, "/slow": slow, "/remove": remove}, store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        waiting = asyncio.ensure_future(browser.get("/slow"))
        await gate.reached.wait()
        await browser.get("/remove")
        gate.opened.set()
        await waiting
        assert (await browser.get("/read")).json() == {"slow": True}


async def test_of_two_writers_of_one_key_the_last_wins(store: object) -> None:
    """That is what is promised, and no mixture of both."""
    gate = Gate()

    async def slow(scope: dict[str, Any]) -> None:
        scope["session"]["address"] = {"street": "slow", "number": 1}
        await gate.pass_through()

    def fast(scope: dict[str, Any]) -> None:
        scope["session"]["address"] = {"street": "fast"}

    async with visiting(sessions({**SITE, "/slow": slow, "/fast": fast}, store=store)) as browser:
        await browser.get("/login?alice")
        waiting = asyncio.ensure_future(browser.get("/slow"))
        await gate.reached.wait()
        await browser.get("/fast")
        assert (await browser.get("/read")).json() == {"address": {"street": "fast"}}
        gate.opened.set()
        await waiting
        assert (await browser.get("/read")).json() == {"address": {"street": "slow", "number": 1}}


async def test_a_conflict_where_it_was_asked_for(store: object) -> None:
    """save(if_unchanged=True) refuses where another request was first, and saves nothing."""
    gate = Gate()
    outcome: list[str] = []

    async def careful(scope: dict[str, Any]) -> None:
        session = scope["session"]
        session["balance"] = 1
        await gate.pass_through()
        with pytest.raises(SessionConflict) as conflict:
            await session.save(if_unchanged=True)
        outcome.append(conflict.value.code)
        del session["balance"]

    async with visiting(sessions({**SITE, "/careful": careful}, store=store)) as browser:
        await browser.get("/login?alice")
        waiting = asyncio.ensure_future(browser.get("/careful"))
        await gate.reached.wait()
        await browser.get("/count")
        gate.opened.set()
        await waiting
        assert outcome == ["session_conflict"]
        assert (await browser.get("/read")).json() == {"visits": 1}


async def test_nested_changes_are_found(store: object) -> None:
    """Deep inside a list inside a dictionary, without an assignment to the session (design rule 4)."""

    def fill(scope: dict[str, Any]) -> None:
        scope["session"]["cart"] = {"items": [{"n": 1}]}

    def add(scope: dict[str, Any]) -> None:
        scope["session"]["cart"]["items"][0]["n"] += 1
        scope["session"]["cart"]["items"].append({"n": 7})

    async with visiting(sessions({**SITE, "/fill": fill, "/add": add}, store=store)) as browser:
        await browser.get("/fill")
        await browser.get("/add")
        assert (await browser.get("/read")).json() == {"cart": {"items": [{"n": 2}, {"n": 7}]}}


@pytest.mark.security("ST-12")
async def test_nothing_is_shared_between_two_requests(store: object) -> None:
    """What one request does to a nested value without saving it is invisible to every other, at once and later."""
    gate = Gate()

    def fill(scope: dict[str, Any]) -> None:
        scope["session"]["cart"] = {"items": [1]}

    async def spoil(scope: dict[str, Any]) -> None:
        scope["session"]["cart"]["items"].append("spoilt")
        scope["session"]["other"] = "spoilt"
        await gate.pass_through()
        raise LookupError

    async with visiting(sessions({**SITE, "/fill": fill, "/spoil": spoil}, store=store)) as browser:
        await browser.get("/fill")
        await browser.get("/read")
        waiting = asyncio.ensure_future(browser.get("/spoil"))
        await gate.reached.wait()
        assert (await browser.get("/read")).json() == {"cart": {"items": [1]}}
        gate.opened.set()
        with pytest.raises(LookupError):
            await waiting
        assert (await browser.get("/read")).json() == {"cart": {"items": [1]}}


async def test_sessions_never_mix(store: object) -> None:
    """Fifty browsers at once, each counting: every answer belongs to whoever asked."""
    async with visiting(sessions(store=store)) as first:
        browsers = [Browser(first.app) for _ in range(50)]

        async def visit(browser: Browser, times: int) -> int:
            await browser.get("/login")
            for _ in range(times):
                last = (await browser.get("/count")).json()
            return int(last)

        counts = [number % 5 + 1 for number in range(50)]
        seen = await asyncio.gather(*(visit(browser, times) for browser, times in zip(browsers, counts, strict=True)))
        assert seen == counts


async def test_two_tasks_of_one_request_share_its_session(store: object) -> None:
    """save() from several tasks of one handler: steps are kept apart, and everything is saved."""

    async def busy(scope: dict[str, Any]) -> None:
        session = scope["session"]

        async def put(number: int) -> None:
            session[f"k{number}"] = number
            await session.save()

        await asyncio.gather(*(put(number) for number in range(10)))

    async with visiting(sessions({**SITE, "/busy": busy}, store=store)) as browser:
        response = await browser.get("/busy")
        assert len(response.all("set-cookie")) == 1
        assert (await browser.get("/read")).json() == {f"k{number}": number for number in range(10)}
