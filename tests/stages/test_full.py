"""Do the store and the issuer's keys still agree?"""

import pytest

from asgi_session import KeysUnavailable, StoreError, StoreUnavailable
from tests.support.site import COOKIE, Browser, bearer, sessions, visiting
from tests.support.stores import WatchedStore
from tests.tokens.parts import SigningKey, verifier_of

KEY = SigningKey("ES256")


@pytest.mark.security("LC-02")
async def test_an_unknown_id_is_never_adopted() -> None:
    """Signed by us but gone from the store: the visitor is anonymous, and what is saved gets another id."""
    async with visiting(sessions()) as browser:
        await browser.get("/login?alice")
        cookie = browser.cookie
        (stored,) = await browser.app.manager.list_for_user("alice")
        await browser.app.manager.destroy(stored.handle)
        seen = (await browser.get("/who")).json()
        assert (seen["user"], seen["credential"], seen["reason"]) == (None, "anonymous", "absent")
        await browser.get("/count")
        assert browser.cookie != cookie
        assert browser.cookie.startswith(COOKIE)


@pytest.mark.parametrize("error", [StoreUnavailable("no answer", retry_after=9), StoreError("refused")])
async def test_a_store_that_can_not_tell_is_503(error: StoreError) -> None:
    """For cookie and bearer alike, with the store's own wait where it names one."""
    store = WatchedStore()
    async with visiting(sessions(store=store)) as browser:
        await browser.get("/login?alice")
        store.failures["load"] = error
        for client in (browser, Browser(browser.app, headers=bearer(browser.credential))):
            response = await client.get("/who")
            assert response.status == 503
            assert response.get("retry-after") == ("9" if isinstance(error, StoreUnavailable) else "1")


async def test_full_and_quick_agree_on_a_token() -> None:
    """The first sight is verified in full, the second comes from the cache, with the same result."""
    async with visiting(sessions(bearer=verifier_of(KEY)), headers=bearer(KEY.sign())) as api:
        assert (await api.get("/who")).json() == (await api.get("/who")).json()


async def test_an_issuer_that_is_down_is_503_for_its_tokens_only() -> None:
    """Cookies go on."""

    class Down:
        issuer = "https://id.example.org/realms/demo"

        def problems(self) -> list[object]:
            return []

        async def start(self) -> None: ...

        async def stop(self) -> None: ...

        def cached(self, token: str, context: object, max_age: float) -> None: ...

        async def verify(self, token: str, context: object) -> None:
            raise KeysUnavailable("no answer")

    async with visiting(sessions(bearer=Down())) as browser:
        await browser.get("/login?alice")
        assert (await browser.get("/who", headers=bearer(KEY.sign()))).status == 503
        assert (await browser.get("/who")).json()["user"] == "alice"
