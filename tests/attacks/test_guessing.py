"""Guessing ids: what they are made of, and what a store gives away."""

import ast
import asyncio
import inspect
import secrets
from typing import Any

import pytest

from asgi_session import ids
from asgi_session.stores.memory import MemoryStore
from tests.support.site import Browser, bearer, sessions, visiting
from tests.support.stores import WatchedStore


@pytest.mark.security("ID-01")
def test_ids_come_from_the_systems_random_source_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 bytes of `secrets`, in 43 characters, and no second source where that one fails."""
    asked: list[int] = []

    def known(size: int) -> str:
        asked.append(size)
        return "k" * 42 + "A"

    monkeypatch.setattr(secrets, "token_urlsafe", known)
    assert ids.new_session_id("0a1") == "0a1" + "k" * 42 + "A"
    assert asked == [32]

    def dry(size: int) -> str:
        raise OSError("no entropy")

    monkeypatch.setattr(secrets, "token_urlsafe", dry)
    with pytest.raises(OSError, match="no entropy"):
        ids.new_session_id("0a1")


@pytest.mark.security("ID-01")
def test_the_module_of_ids_imports_no_other_source() -> None:
    """No `random`, `uuid` or `time`."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(ids))):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert "secrets" in imported
    assert not imported & {"random", "uuid", "time", "datetime", "os"}


@pytest.mark.security("ID-01")
def test_a_hundred_thousand_ids_are_different() -> None:
    """And no prefix of 64 bits comes twice either."""
    made = {ids.new_session_id("000") for _ in range(100_000)}
    assert len(made) == 100_000
    assert len({session_id[3:14] for session_id in made}) == 100_000


@pytest.mark.security("ID-15")
async def test_a_dump_of_the_store_opens_nothing(store: object, request: pytest.FixtureRequest) -> None:
    """Neither the id nor the credential stands in a key or a value; what does stand there is no credential."""
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login?alice")
        await browser.get("/count")
        credential = browser.credential
        dump = repr([vars(store)]) if isinstance(store, MemoryStore) else dump_of_redis(request)
        secret = credential.partition(".")[0][3:]
        assert secret not in dump
        assert credential not in dump
        (stored,) = await browser.app.manager.list_for_user("alice")
        digest = stored.handle.partition("~")[2]
        assert digest in dump
        for guess in (digest, stored.handle, stored.handle.replace("~", ""), f"{stored.handle.replace('~', '')}.{digest}"):
            stranger = Browser(browser.app)
            response = await stranger.get("/who", headers=bearer(guess))
            assert response.status == 401 or response.json()["user"] is None
            assert (await stranger.request("GET", "/who", cookie=f"__Host-session={guess}")).json()["user"] is None


def dump_of_redis(request: pytest.FixtureRequest) -> str:
    """Every key and value of the servers of the test."""
    if "cluster" in request.node.callspec.id:
        servers = [node.cli for node in request.getfixturevalue("cluster").masters]
    else:
        servers = [request.getfixturevalue("redis_server").cli]
    said: list[str] = []
    for cli in servers:
        for key in cli.keys("*"):
            kind = cli.type(key)
            value: Any = cli.hgetall(key) if kind == "hash" else cli.zrange(key, 0, -1) if kind == "zset" else cli.get(key)
            said.append(f"{key} {value!r}")
    return "\n".join(said)


@pytest.mark.security("ID-14")
async def test_a_flood_of_forged_cookies_fills_nothing() -> None:
    """A thousand made-up credentials at once: no store call, no record, no cookie."""
    store = WatchedStore()
    async with visiting(sessions(store=store, failed_credentials=None)) as browser:
        forged = [f"{ids.new_session_id('000')}.{secrets.token_urlsafe(32)}" for _ in range(1000)]
        answers = await asyncio.gather(*(browser.request("GET", "/read", cookie=f"__Host-session={one}") for one in forged))
        assert all(answer.all("set-cookie") == [] for answer in answers)
    assert not store.calls
    assert store.holds() == 0
