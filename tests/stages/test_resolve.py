"""Which credential does a request present?"""

from typing import Any

import pytest

from asgi_session.context import Request, RequestContext
from asgi_session.stages.resolve import MAX_AUTHORIZATION
from tests.support.asgi import exchange, http_scope
from tests.support.site import Browser, bearer, sessions, visiting
from tests.tokens.parts import SigningKey, verifier_of

KEY = SigningKey("ES256")


async def answer_to(authorization: list[str], **options: Any) -> Any:
    """The response to a request with these Authorization lines."""
    app = sessions(**options)
    response = await exchange(app, http_scope(path="/who", headers=[("authorization", line) for line in authorization]))
    await app.shutdown()
    return response


@pytest.mark.security("IN-08")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_has_no_letter_case(scheme: str) -> None:
    """RFC 9110 §11.1: a scheme is matched without regard to case; one or more spaces follow it."""
    for space in (" ", "   "):
        response = await answer_to([f"{scheme}{space}{KEY.sign()}"], bearer=verifier_of(KEY))
        assert response.json()["credential"] == "bearer-jwt"


MALFORMED = [
    "Bearer",
    "Bearer ",
    "Bearer a b",
    "Bearer a,b",
    "Bearer \ta",
    "Bearer a\t",
    'Bearer "a"',
    "Bearer ä",
    "Bearer a=b",
    "Bearer =",
    "Bearer a ",
    "Bearer \x00",
]


@pytest.mark.security("IN-08", "JW-17")
@pytest.mark.parametrize("line", MALFORMED, ids=ascii)
async def test_what_is_no_token68_is_a_bad_request(line: str) -> None:
    """400 `invalid_request` with a challenge, whether or not tokens are verified here."""
    for options in ({}, {"bearer": verifier_of(KEY)}):
        response = await answer_to([line], **options)
        assert response.status == 400
        assert 'error="invalid_request"' in (response.get("www-authenticate") or "")
        assert response.json()["code"] == "invalid_request"


@pytest.mark.security("IN-08")
async def test_a_bearer_has_at_most_16_kib() -> None:
    """At the limit it is judged (and bad), past it not looked at."""
    assert (await answer_to(["Bearer " + "a" * MAX_AUTHORIZATION], bearer=verifier_of(KEY))).status == 401
    assert (await answer_to(["Bearer " + "a" * (MAX_AUTHORIZATION + 1)], bearer=verifier_of(KEY))).status == 400


@pytest.mark.security("ID-11", "IN-08")
async def test_more_than_one_bearer_is_a_bad_request() -> None:
    """Two lines of which one is a Bearer: nobody can tell which one counts."""
    token = KEY.sign()
    for lines in ([f"Bearer {token}"] * 2, [f"Bearer {token}", "Basic dTpw"], ["Basic dTpw", f"bearer {token}"]):
        response = await answer_to(lines, bearer=verifier_of(KEY))
        assert (response.status, response.json()["code"]) == (400, "invalid_request")


@pytest.mark.security("ID-10")
async def test_credentials_in_query_or_body_are_never_read() -> None:
    """`?access_token=`, `?session=` and a form with both: anonymous."""
    async with visiting(sessions(bearer=verifier_of(KEY))) as browser:
        await browser.get("/login?alice")
        query = f"access_token={KEY.sign()}&token={KEY.sign()}&{browser.cookie}&session={browser.credential}"
        form = [("content-type", "application/x-www-form-urlencoded")]
        scope = http_scope("POST", "/who", query=query, headers=form)
        seen = (await exchange(browser.app, scope, query.encode())).json()
        assert (seen["user"], seen["credential"]) == (None, "anonymous")


@pytest.mark.security("IN-06")
def test_many_lines_are_joined_in_linear_time() -> None:
    """20,000 Cookie lines are not copied again for each of them."""

    class Line(bytes):
        copied = 0

        def __add__(self, other: Any) -> "Line":
            Line.copied += len(self)
            return Line(bytes(self) + other)

    app = sessions()
    request = Request()
    request.scope = http_scope() | {"headers": [(b"cookie", Line(b"a" * 50))] * 20_000}
    request.public = RequestContext()
    assert app._stages[0](request) is None
    assert Line.copied < 5 * 1024 * 1024


async def test_a_session_id_as_bearer_is_found_by_its_shape() -> None:
    """Also next to a token verifier: our ids and JWTs can't be taken for one another."""
    async with visiting(sessions(bearer=verifier_of(KEY))) as browser:
        await browser.get("/login?alice")
        api = Browser(browser.app, headers=bearer(browser.credential))
        assert (await api.get("/who")).json()["credential"] == "bearer-session"
