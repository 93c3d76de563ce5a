"""A real headless Chromium of the system, driven by playwright."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

from tests.services.process import program

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    # Nothing that a test does not ask for goes out to the network.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def executable() -> str:
    """The path of the system's Chromium."""
    return program("chromium", "chromium-browser", "google-chrome")


@asynccontextmanager
async def open_page(**context_options: object) -> AsyncIterator[Page]:
    """Yield an empty page of a fresh browser profile.

    An uncaught error of a page's script fails the test when the block ends. `context_options` are those of playwright's
    `new_context` (viewport, device_scale_factor, ...).
    """
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=list(_FLAGS))
        context = await browser.new_context(**context_options)  # type: ignore[arg-type]
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page
        finally:
            await browser.close()
    assert not errors, f"The page's script failed: {errors}"
