"""What is no user id is refused in the same words, wherever one is asked for."""

from typing import Any

import pytest

from asgi_session import SessionError, SessionManager
from asgi_session.stores.memory import MemoryStore
from asgi_session.user_ids import require_provider_session, require_user_id
from tests.support.site import SECRET, sessions, visiting

WRONG = [5, 0, "", None, b"alice", True, ["alice"]]


@pytest.mark.parametrize("user_id", ["alice", "5", " ", "\x00", "\ud800", "ü" * 500])
def test_any_text_is_a_user_id(user_id: str) -> None:
    """What it says is the application's business."""
    require_user_id(user_id)


@pytest.mark.parametrize("user_id", WRONG, ids=repr)
async def test_a_login_needs_a_text(user_id: Any) -> None:
    """The handler is told what to write, and nobody is logged in."""
    errors: list[SessionError] = []

    async def login(scope: Any) -> Any:
        with pytest.raises(SessionError, match=r"Use str\(user\.id\)\.") as caught:
            await scope["session"].login(user_id)
        errors.append(caught.value)
        return scope["session"].user_id

    async with visiting(sessions({"/login": login})) as browser:
        response = await browser.get("/login")
    assert (response.json(), response.all("set-cookie")) == (None, [])
    assert len(errors) == 1


@pytest.mark.parametrize("user_id", [wrong for wrong in WRONG if wrong is not None], ids=repr)
async def test_a_manager_needs_a_text(user_id: Any) -> None:
    """To create, to list and to revoke: a number would silently find nothing."""
    async with SessionManager(SECRET, store=MemoryStore()) as manager:
        for step in (manager.create, manager.list_for_user, manager.revoke_user):
            with pytest.raises(SessionError, match=r"Use str\(user\.id\)\."):
                await step(user_id)
        assert (await manager.stats()).sessions == 0


async def test_nobody_is_no_user() -> None:
    """``create(None)`` makes a session of nobody; to list or revoke nobody's is a mistake."""
    async with SessionManager(SECRET, store=MemoryStore()) as manager:
        assert (await manager.create(None)).user_id is None
        for step in (manager.list_for_user, manager.revoke_user):
            with pytest.raises(SessionError, match="of type NoneType"):
                await step(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [None, "5", "s" * 255])
def test_a_provider_session_is_a_short_text_or_none(name: str | None) -> None:
    """What it says is the provider's business."""
    require_provider_session(name)


@pytest.mark.parametrize("name", ["", 5, b"sid", "s" * 256, ["sid"]], ids=lambda name: repr(name)[:20])
async def test_a_login_with_a_wrong_provider_session_logs_nobody_in(name: Any) -> None:
    """Before anything has changed; and the error does not show it."""

    async def login(scope: Any) -> Any:
        with pytest.raises(SessionError, match="claim `sid`"):
            await scope["session"].login("alice", provider_session=name)
        return scope["session"].user_id

    async with visiting(sessions({"/login": login})) as browser:
        response = await browser.get("/login")
    assert (response.json(), response.all("set-cookie")) == (None, [])
