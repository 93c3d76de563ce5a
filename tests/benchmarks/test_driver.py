"""The driver: a server inside the process."""

import asyncio
from typing import Any

import pytest

from benchmarks.contenders.site import ANSWER, NAME, Receive, Scope, Send, accept_lifespan, answer, application, no_login, of_nobody
from benchmarks.driver import Driver


async def cookie_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Logs in by a cookie; reads only with one."""
    if scope["type"] == "lifespan":
        return await accept_lifespan(receive, send)
    if scope["path"] == "/login":
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"Set-Cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2")]}
        )
        return await send({"type": "http.response.body", "body": ANSWER})
    known = (b"cookie", b"a=1; b=2") in scope["headers"]
    return await answer(send, ANSWER if known else b"nobody")


async def test_every_request_of_a_round_is_answered() -> None:
    """A round counts the requests it was asked for, and finds nothing wrong with good answers."""
    driver = Driver(application(of_nobody, no_login))
    await driver.start()
    done = await driver.round(100, in_flight=8)
    await driver.stop()
    assert (done.requests, done.failures) == (100, [])
    assert done.cpu > 0
    assert done.wall > 0


async def test_visitors_send_what_the_login_set() -> None:
    """All cookies of the login, as one header."""
    driver = Driver(cookie_app)
    assert (await driver.round(1, in_flight=1)).failures == ["200 b'nobody'"]
    await driver.log_in(3, "/login")
    assert (await driver.round(9, in_flight=3)).failures == []


async def test_wrong_answers_are_reported() -> None:
    """A contender that is fast because it fails must not win."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"no", status=500)

    assert (await Driver(app).round(10, in_flight=2)).failures == ["500 b'no'"] * 3


async def test_so_many_in_flight() -> None:
    """As many requests as were asked for are under way at once, and no more."""
    under_way, most = 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await answer(send)

    await Driver(app).round(50, in_flight=7)
    assert most == 7


async def test_body_comes_once_and_then_the_client_stays() -> None:
    """A second `receive` waits, as it does while a client waits for its answer."""
    received: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await answer(send)

    await Driver(app).round(1, in_flight=1)
    assert received == [{"type": "http.request", "body": b"", "more_body": False}]


async def test_lifespan_has_its_two_events() -> None:
    """Start and stop reach the application, each once."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            event = (await receive())["type"]
            seen.append(event)
            await send({"type": f"{event}.complete"})

    driver = Driver(app)
    await driver.start()
    assert seen == ["lifespan.startup"]
    await driver.stop()
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


async def test_failed_start_is_an_error() -> None:
    """An application that refuses to start, ends or raises at its start is not measured."""

    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    async def ends(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def raises(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no")

    with pytest.raises(RuntimeError, match="did not start"):
        await Driver(refuses).start()
    with pytest.raises(RuntimeError, match="ended at its start"):
        await Driver(ends).start()
    with pytest.raises(LookupError):
        await Driver(raises).start()


async def test_login_has_to_set_a_cookie() -> None:
    """Else the reads would be those of strangers."""
    with pytest.raises(RuntimeError, match="no cookie"):
        await Driver(application(of_nobody, no_login)).log_in(1, "/login")


async def test_logins_at_once_count_what_went_wrong() -> None:
    """A contender may fail in a rush: that is its result."""
    asked = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += 1
        if asked % 4 == 0:
            raise ConnectionError("too many")
        await cookie_app(scope, receive, send)

    latencies, failures = await Driver(app).log_in_at_once(40, in_flight=40, path="/login")
    assert len(latencies) == 30
    assert failures == ["ConnectionError: too many"] * 10


async def test_garbage_is_found() -> None:
    """Two objects that hold each other are two objects for the collector; none are none."""

    class Knot:
        other: "Knot"

    def tie(scope: Scope) -> str:
        one, two = Knot(), Knot()
        one.other, two.other = two, one
        return NAME

    assert await Driver(application(tie, no_login)).garbage(50) >= 2
    assert await Driver(application(of_nobody, no_login)).garbage(50) == 0
