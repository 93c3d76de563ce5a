"""The README's FastAPI application does what the text around it says. `tests/readme_quickstart.py` runs the block before."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.servers.programs import ROOT

ADA = {"name": "ada", "password": "lovelace"}


@pytest.fixture
async def visitor() -> AsyncIterator[httpx.AsyncClient]:
    """A browser on the application of the README, each time a new one."""
    readme = (ROOT / "README.md").read_text()
    (source,) = (block for block in re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S) if "FastAPI()" in block)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(source, "README.md", "exec", dont_inherit=True), names)
    transport = httpx.ASGITransport(app=names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_a_user_logs_in_and_is_known(visitor: httpx.AsyncClient) -> None:
    """Nobody without a login, then the user with a session that counts."""
    assert (await visitor.get("/me")).status_code == 401
    assert (await visitor.post("/login", json={**ADA, "password": "byron"})).status_code == 401
    assert (await visitor.post("/login", json={"name": "bob", "password": ""})).status_code == 401
    assert (await visitor.post("/login", json=ADA)).status_code == 200

    seen = [(await visitor.get("/me")).json() for _ in range(2)]

    assert seen == [{"user": "ada", "visits": 1}, {"user": "ada", "visits": 2}]


async def test_logins_are_limited(visitor: httpx.AsyncClient) -> None:
    """The sixth try of a minute is refused, right or wrong; other pages are not."""
    statuses = [(await visitor.post("/login", json=ADA)).status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]
    assert (await visitor.get("/me")).status_code == 200
