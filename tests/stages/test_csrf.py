"""Does an unsafe request ride on the cookie from another site?"""

import logging
from typing import Any

import pytest

from asgi_session import CSRFPolicy
from tests.support.asgi import Conversation, websocket_scope
from tests.support.site import SITE, Browser, bearer, sessions, visiting
from tests.support.stores import WatchedStore

CROSS = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]


@pytest.mark.security("CS-11")
async def test_a_refusal_comes_before_any_effect(caplog: pytest.LogCaptureFixture) -> None:
    """The handler has not run, the store was not asked, the client gets problem details, and the log has a line."""
    ran: list[int] = []

    def transfer(scope: dict[str, Any]) -> None:
        ran.append(1)

    store = WatchedStore()
    async with visiting(sessions({**SITE, "/transfer": transfer}, store=store)) as browser:
        await browser.get("/login?alice")
        store.calls.clear()
        response = await browser.post("/transfer", headers=CROSS)
        assert (response.status, response.json()["code"]) == (403, "cross_site")
        assert response.get("content-type") == "application/problem+json"
        assert response.all("set-cookie") == []
        assert not store.calls
    assert ran == []
    (record,) = [record for record in caplog.records if record.name == "asgi_session.refusals"]
    assert record.levelno == logging.WARNING


@pytest.mark.security("CS-07")
async def test_only_requests_that_ride_on_the_cookie_are_checked() -> None:
    """Without a cookie, with garbage in its place, or with a bearer there is nothing to abuse."""
    async with visiting(sessions()) as browser:
        assert (await browser.post("/read", headers=CROSS)).status == 200
        assert (await browser.request("POST", "/read", headers=CROSS, cookie="__Host-session=garbage")).status == 200
        await browser.get("/login?alice")
        api = Browser(browser.app, headers=bearer(browser.credential))
        assert (await api.post("/read", headers=CROSS)).status == 200
        assert (await browser.post("/read", headers=CROSS)).status == 403


@pytest.mark.security("CS-06")
@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "get", "Get", "head", "TRACE", "CONNECT", "PROPFIND", "QUERY", "", "X"]
)
async def test_every_method_but_three_is_unsafe(method: str) -> None:
    """GET, HEAD and OPTIONS in upper case are safe; everything else is checked."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        assert (await browser.request(method, "/read", headers=CROSS)).status == 403
        for safe in ("GET", "HEAD", "OPTIONS"):
            assert (await browser.request(safe, "/read", headers=CROSS)).status == 200


@pytest.mark.security("CS-08")
async def test_a_handshake_is_checked_whatever_method_it_names() -> None:
    """ASGI gives sockets no method; a server that adds `GET` does not lift the check."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        for method in ({}, {"method": "GET"}):
            scope = websocket_scope(headers=[("cookie", browser.cookie), *CROSS]) | method
            async with Conversation(browser.app, scope) as talk:
                talk.say("websocket.connect")
                (refused,) = (await talk.ended()).messages
            assert (refused["type"], refused["code"]) == ("websocket.close", 1008)


@pytest.mark.security("CS-06")
@pytest.mark.parametrize("header", ["x-http-method-override", "x-http-method", "x-method-override"])
async def test_overrides_of_the_method_are_ignored(header: str) -> None:
    """A POST that calls itself a GET is a POST."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        assert (await browser.post("/read?_method=GET", headers=[*CROSS, (header, "GET")])).status == 403


@pytest.mark.security("CS-09")
@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON", "text/plain", "a/b", "", None])
async def test_the_content_type_is_no_defence(content_type: str | None) -> None:
    """Whatever type a cross-site request claims, or none, it is refused; and a same-origin one passes with any."""
    kind = [("content-type", content_type)] if content_type is not None else []
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        assert (await browser.post("/read", headers=[*CROSS, *kind])).status == 403
        assert (await browser.post("/read", headers=[("sec-fetch-site", "same-origin"), *kind])).status == 200


async def test_the_check_can_be_given_up() -> None:
    """`CSRFPolicy(enabled=False)`: for whoever has another protection."""
    async with visiting(sessions(csrf=CSRFPolicy(enabled=False))) as browser:
        await browser.get("/login?alice")
        assert (await browser.post("/read", headers=CROSS)).status == 200
