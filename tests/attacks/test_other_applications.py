"""A credential of one application, shown to another beside it (docs/deployment.md, "Several applications")."""

from typing import Any

import pytest

from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.support.site import COOKIE, SECRET, Browser, bearer, sessions, visiting


async def users_seen(credential: str, application: Browser) -> list[Any]:
    """Who the application takes the owner of the credential for, as its cookie and as its bearer; None: nobody."""
    as_cookie = await application.get("/who", cookie=f"{COOKIE}={credential}")
    as_bearer = await application.get("/who", headers=bearer(credential))
    return [as_cookie.json()["user"], as_bearer.json()["user"] if as_bearer.status == 200 else None]


@pytest.mark.redis
@pytest.mark.parametrize(
    ("secret", "namespace_of_its_own", "seen"),
    [
        (SECRET, False, ["alice", "alice"]),
        (SECRET, True, [None, None]),
        ("another " + SECRET, False, [None, None]),
        ("another " + SECRET, True, [None, None]),
    ],
)
async def test_a_secret_or_a_namespace_keeps_applications_apart(
    redis_url: str, namespace: str, secret: str, namespace_of_its_own: bool, seen: list[Any]
) -> None:
    """With both in common they are one site: whoever is signed in at one is signed in at the other."""
    shop = sessions(store=RedisStore(RedisClient(redis_url), namespace=namespace))
    other = f"{namespace}-admin" if namespace_of_its_own else namespace
    admin = sessions(store=RedisStore(RedisClient(redis_url), namespace=other), secret_key=secret)
    async with visiting(shop) as at_shop, visiting(admin) as at_admin:
        await at_shop.get("/login?alice")
        assert await users_seen(at_shop.credential, at_admin) == seen
