"""What one request does to who it is must not reach another one: these objects are shared."""

from typing import Any

import pytest

from tests.support.site import SITE, Browser, sessions, visiting


def grant(scope: dict[str, Any]) -> None:
    """What code does that was written for credentials of its own: give this request a scope more."""
    scope["auth"].scopes = [*scope["auth"].scopes, "admin"]


def label(scope: dict[str, Any]) -> None:
    """Keep something with the user of this request."""
    scope["user"].tenant = "one's own"


@pytest.mark.parametrize("first", ["/login?alice", "/ignore"])
async def test_nobody_inherits_what_another_request_was_given(first: str) -> None:
    """It is refused, for users and for visitors, rather than given to everybody in this process."""
    async with visiting(sessions({**SITE, "/grant": grant, "/label": label})) as browser:
        other = Browser(browser.app)
        for visitor in (browser, other):
            await visitor.get(first)
        for target in ("/grant", "/label"):
            with pytest.raises(AttributeError, match=r"request\.state"):
                await browser.get(target)
        assert "admin" not in (await other.get("/who")).json()["scopes"]
