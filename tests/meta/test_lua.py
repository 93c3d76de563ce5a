"""The scripts that run in Redis."""

import re
from pathlib import Path

import pytest

from asgi_session import FailureBudget, RateLimit
from asgi_session.stores.redis.scripts import Scripts, scripts
from tests.meta.package import PACKAGE
from tests.services.redis import RedisServer
from tests.support.site import Browser, sessions, visiting

SCRIPTS = sorted(PACKAGE.rglob("*.lua"))
STORE_SCRIPTS = PACKAGE / "stores" / "redis" / "lua"


def test_every_script_is_used() -> None:
    """The store's are its steps and what they share; each other one is named by the Python module beside it."""
    assert {path.stem for path in STORE_SCRIPTS.glob("*.lua")} == {*Scripts._fields, "session", "cap"}
    for script in SCRIPTS:
        if script.parent != STORE_SCRIPTS:
            source = "\n".join(path.read_text() for path in script.parent.glob("*.py"))
            assert f'"{script.name}"' in source, f"Nobody runs {script.name}. Remove it."


@pytest.mark.parametrize("sharded", [False, True])
def test_every_step_is_the_shared_part_and_its_own(sharded: bool) -> None:
    """Each script is complete, and knows whether it runs on a Cluster."""
    shared = (STORE_SCRIPTS / "session.lua").read_text()
    for name, script in zip(Scripts._fields, scripts(sharded=sharded), strict=True):
        assert shared in script.source
        assert script.source.endswith((STORE_SCRIPTS / f"{name}.lua").read_text())
        assert f"local SHARDED = {str(sharded).lower()}" in script.source


def code_of(script: Path) -> str:
    """Without comments."""
    return re.sub(r"--[^\n]*", "", script.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_script_walks_the_keyspace(script: Path) -> None:
    """No KEYS, SCAN or RANDOMKEY: a step's cost does not depend on how much the server holds (design rule 14)."""
    commands = set(re.findall(r"redis\.p?call\(\s*'([A-Z]+)'", code_of(script)))
    assert not commands & {"KEYS", "SCAN", "SSCAN", "HSCAN", "ZSCAN", "RANDOMKEY", "FLUSHDB", "FLUSHALL", "SORT", "EVAL", "SELECT"}


@pytest.mark.parametrize("script", sorted(STORE_SCRIPTS.glob("*.lua")), ids=lambda path: path.name)
def test_the_stores_time_is_the_servers(script: Path) -> None:
    """Nothing that a client sends is taken for the time: only lifetimes come as arguments (design rule 10)."""
    code = code_of(script)
    assert "os.time" not in code
    assert not re.search(r"(now|us|ms)\s*=\s*[^\n]*ARGV", code)
    for computed in re.findall(r"local (?:us|now) = ([^\n]+)", code):
        assert computed.strip() in {"now_us()", "ms(us)", "ms(now_us())"}, computed


async def test_every_key_has_a_ttl(redis_url: str, redis_server: RedisServer) -> None:
    """After a session's whole life, and a rate limit's, nothing in Redis stays for ever (design rule 14)."""
    app = sessions(
        store=redis_url,
        rate_limits=[RateLimit("100/day"), RateLimit("100/hour", key="session", strategy="moving")],
        failed_credentials=FailureBudget("100/day", shared=True),
    )
    async with visiting(app) as browser:
        await browser.get("/count")
        await browser.get("/login?alice")
        await browser.get("/count")
        await Browser(app).get("/login?alice")
        await Browser(app).request("GET", "/read", cookie="__Host-session=garbage")
        await app.manager.revoke_user("alice")
        await app.manager.revoke_all()
        await Browser(app).get("/login?bob")
    cli = redis_server.cli
    keys = cli.keys("*")
    assert len(keys) >= 4
    assert {key: cli.ttl(key) for key in keys if cli.ttl(key) < 0} == {}
