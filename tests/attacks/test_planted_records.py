"""Somebody can write to the store, or gets a handler to: what is read back is data, never code, and never without bound."""

import ast
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import asgi_session
from asgi_session import SessionValueError
from asgi_session.codec import MAX_RECORD_BYTES
from tests.support.site import SITE, Browser, sessions, visiting
from tests.support.stores import WatchedStore

PACKAGE = Path(asgi_session.__file__).parent
RAN: list[str] = []


class Bomb:
    """Runs where it is unpickled."""

    def __reduce__(self) -> Any:
        return RAN.append, ("boom",)


@pytest.mark.security("ST-01")
async def test_a_planted_pickle_is_never_read() -> None:
    """In the place of a value in the store: an error, not an execution."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/count")
        ((key, record),) = store._anonymous.items()
        store._anonymous[key] = replace(record, data={"visits": pickle.dumps(Bomb())})
        with pytest.raises(ValueError, match=r"JSON|expected"):
            await browser.get("/read")
    assert RAN == []


@pytest.mark.security("ST-01")
def test_nothing_that_runs_what_it_reads_is_imported() -> None:
    """No pickle, marshal, shelve, dill, yaml or eval anywhere in the package."""
    forbidden = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "jsonpickle"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & forbidden, path
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in {"eval", "exec", "compile", "__import__"}, path


HOSTILE: dict[str, Any] = {
    "object": Bomb(),
    "bytes": b"raw",
    "set": {1},
    "nan": float("nan"),
    "infinity": float("inf"),
    "deep": None,
    "surrogate": "\udc80",
    "function": print,
    "circle": None,
}


@pytest.mark.security("ST-01")
@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_is_no_json_is_refused_when_it_is_written(store: object, kind: str) -> None:
    """The handler that puts it there gets an error which names the key and not the value; nothing is saved."""
    value = HOSTILE[kind]
    if kind == "deep":
        value = []
        for _ in range(100_000):
            value = [value]
    if kind == "circle":
        value = []
        value.append(value)

    def put(scope: dict[str, Any]) -> None:
        scope["session"]["key"] = value

    async with visiting(sessions({**SITE, "/put": put}, store=store)) as browser:
        await browser.get("/count")
        with pytest.raises(SessionValueError, match="'key'") as refused:
            await browser.get("/put")
        assert len(str(refused.value)) < 300
        assert (await browser.get("/read")).json() == {"visits": 1}


@pytest.mark.security("ST-12", "LG-05")
@pytest.mark.parametrize("shape", ["one value", "many keys", "long key"])
async def test_a_record_has_a_bound(store: object, shape: str) -> None:
    """64 KiB of keys and values; beyond it an error that names the largest key, and the session is as it was."""
    values = {
        "one value": {"big": "x" * MAX_RECORD_BYTES},
        "many keys": {f"k{number}": "x" * 64 for number in range(1000)},
        "long key": {"k" * MAX_RECORD_BYTES: 1},
    }[shape]

    def put(scope: dict[str, Any]) -> None:
        scope["session"].update(values)

    def fits(scope: dict[str, Any]) -> int:
        scope["session"]["big"] = "x" * (MAX_RECORD_BYTES - 100)
        return len(scope["session"]["big"])

    async with visiting(sessions({**SITE, "/put": put, "/fits": fits}, store=store)) as browser:
        await browser.get("/count")
        with pytest.raises(SessionValueError, match=str(MAX_RECORD_BYTES)) as refused:
            await browser.get("/put")
        assert len(str(refused.value)) < 1024
        assert (await browser.get("/read")).json() == {"visits": 1}
        assert (await browser.get("/fits")).status == 200
        assert len((await browser.get("/read")).json()["big"]) == MAX_RECORD_BYTES - 100


@pytest.mark.security("ST-12")
async def test_a_flood_of_visitors_neither_fills_the_memory_nor_signs_users_out() -> None:
    """The memory store is bounded, and the visitors go first."""
    store = WatchedStore(max_sessions=10)
    async with visiting(sessions(store=store)) as user:
        await user.get("/login?alice")
        for _ in range(100):
            await Browser(user.app).get("/count")
        assert store.holds() == 10
        assert (await user.get("/who")).json()["user"] == "alice"
