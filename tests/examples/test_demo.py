"""The demo as its visitor meets it: the page in a real browser, and the curl lines that it prints."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.examples.documented import Curl
from tests.servers.programs import ROOT
from tests.services.ports import free_port
from tests.services.process import ServiceProcess, wait_until

pytestmark = pytest.mark.server

UPDATE_SCREENSHOTS = "UPDATE_SCREENSHOTS"
"""Set it to write docs/images/demo.png anew, and look at the picture before you commit it."""
SCREENSHOT = ROOT / "docs" / "images" / "demo.png"


class Demo:
    """A running demo."""

    def __init__(self, *options: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "examples.demo", "--port", str(port), *options]
        self.process = ServiceProcess("demo", command, env={"PYTHONPATH": str(ROOT)})

    def start(self) -> None:
        """Return when it answers."""
        self.process.start()
        self.process.wait_ready(self._answers, seconds=30, every=0.05)

    def curl_lines(self) -> list[str]:
        """The lines that it prints."""
        wait_until(lambda: "/api/ping" in self.process.log, "the demo has said what to try", seconds=5)
        return re.findall(r"^ +(curl .*)$", self.process.log, re.MULTILINE)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def run() -> Iterator[Callable[..., Demo]]:
    """Starts demos with the given options."""
    with ExitStack() as running:

        def start(*options: str) -> Demo:
            demo = Demo(*options)
            running.callback(demo.process.stop)
            demo.start()
            return demo

        yield start


def try_curl_lines(demo: Demo) -> list[int]:
    """Type every printed line, with the token that an earlier one brought; return the statuses."""
    line = Curl(demo.url)
    statuses, token = [], ""
    for command in demo.curl_lines():
        answer = line(command.replace("ACCESS_TOKEN", token))
        statuses.append(answer.status_code)
        token = answer.json().get("access_token", token)
    line.close()
    return statuses


def test_printed_lines_work_in_memory(run: Callable[..., Demo]) -> None:
    """Without a flag the demo needs nothing, and every line that it prints works."""
    demo = run()

    assert try_curl_lines(demo) == [200] * 8
    assert "sessions in this process's memory" in demo.process.log


@pytest.mark.redis
def test_printed_lines_work_on_a_redis_that_ends_with_the_demo(run: Callable[..., Demo]) -> None:
    """With --redis the demo starts a Redis of its own, which is gone when the demo is."""
    demo = run("--redis")
    assert try_curl_lines(demo) == [200] * 8
    redis_port = int(re.findall(r"redis://127\.0\.0\.1:(\d+)/0", demo.process.log)[0])
    group = demo.process.pid

    os.kill(group, signal.SIGTERM)

    wait_until(lambda: not demo.process.running, "the demo ends", seconds=10)
    assert not _listens(redis_port)


def test_demo_runs_on_a_given_redis(run: Callable[..., Demo], redis_url: str) -> None:
    """With --redis URL the sessions are there."""
    demo = run("--redis", redis_url)

    assert try_curl_lines(demo) == [200] * 8


def test_issuer_can_be_used_by_other_services(run: Callable[..., Demo]) -> None:
    """Discovery leads to the keys, which hold nothing private; wrong passwords bring no token."""
    demo = run()
    with httpx.Client(base_url=demo.url, trust_env=False) as client:
        metadata = client.get("/development-issuer/.well-known/openid-configuration").json()
        (key,) = client.get(metadata["jwks_uri"]).json()["keys"]
        form = {"grant_type": "password", "username": "ada", "password": "wrong"}
        refused = client.post(metadata["token_endpoint"], data=form)

    assert metadata["issuer"] == f"{demo.url}/development-issuer"
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


async def test_page_tells_the_whole_story(run: Callable[..., Demo], page: Page, tmp_path: Path) -> None:
    """A visitor counts, takes notes, runs into the limit, logs in, calls the API with good and forged tokens, and logs out."""
    demo = run()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None)
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.goto(demo.url)
    await expect(page.locator("#who")).to_have_text("You are nobody in particular, and nothing is kept about you.")

    for _ in range(3):
        await page.click("#count")
    for text in ("milk", "bread", "apples", "tea"):
        await page.fill("#text", text)
        await page.click("#note button")  # waits until the note before is kept
    await expect(page.locator("#data")).to_contain_text('"tea"')
    assert json.loads(await page.inner_text("#data")) == {"counter": 3, "notebook": {"notes": ["milk", "bread", "apples", "tea"]}}
    visitors_handle = await page.inner_text("#handle")

    for remaining in range(4, -1, -1):
        await page.click("#ping")
        await expect(page.locator("#limit-state")).to_have_text(f"{remaining} left")

    await page.click("#log-in")
    await expect(page.locator("#who")).to_have_text("You are ada.")
    await expect(page.locator("#sessions")).to_have_text("You are logged in here only.")
    assert await page.inner_text("#handle") != visitors_handle
    assert '"tea"' in await page.inner_text("#data")

    await page.click("#get-token")
    await page.click("#use-token")
    await expect(page.locator("#token-state")).to_have_text("200 The API knows ada, who has the roles reader and writer.")

    await page.click("#ping")
    await expect(page.locator("#limit-state")).to_have_text(re.compile(r"429: come back in \d+ s"))
    await expect(page.locator("#limit-headers")).to_contain_text('ratelimit-policy: "ping";q=5;w=10')
    await take_picture(page, tmp_path)

    await page.click("#bend-token")
    await expect(page.locator("#token-state")).to_contain_text('401 Bearer realm="api", error="invalid_token"')

    await page.click("#log-out")
    await expect(page.locator("#who")).to_have_text("You are nobody in particular, and nothing is kept about you.")
    assert errors == []


async def test_page_takes_one_note_at_a_time(run: Callable[..., Demo], page: Page) -> None:
    """While a note is under way the form waits: a second one would undo it, and a text typed meanwhile would be lost."""
    demo = run()
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await page.route("**/notes", hold)
    await page.goto(demo.url)
    await page.fill("#text", "milk")
    await page.click("#note button")

    await expect(page.locator("#text")).to_be_disabled()
    await expect(page.locator("#note button")).to_be_disabled()
    gate.set()
    await expect(page.locator("#data")).to_contain_text('"milk"')
    await expect(page.locator("#text")).to_be_focused()


async def take_picture(page: Page, folder: Path) -> None:
    """The page as it is; the one in the README only where that is asked for."""
    picture = SCREENSHOT if os.environ.get(UPDATE_SCREENSHOTS) else folder / "demo.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000


def _listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}", timeout=1, trust_env=False)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        return True
    return True
