"""Requests with tokens of a real Keycloak: while its keys change, beside ten thousand with unknown keys, and while it is gone."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from asgi_session import JWTVerifier, SessionMiddleware
from asgi_session.tokens import KeyPolicy
from asgi_session.tokens.fetch import HttpFetch
from tests.faults.client import Answer, ask
from tests.faults.conftest import MakeMiddleware
from tests.services.keycloak import Keycloak
from tests.services.realm import Client, Realm
from tests.tokens.keycloak_tokens import AUDIENCE, MovableClock, kid_of, until, with_kid

pytestmark = pytest.mark.alone

FETCH_IN_TESTS = 1.0
"""Seconds; `test_issuer.py` looks at the default."""
SLACK = 0.5
"""Seconds that a busy test machine may add to a bound."""


class CountedFetch:
    """Fetches, and counts how often the keys were asked for."""

    def __init__(self) -> None:
        self.of_keys = 0
        self._fetch = HttpFetch()

    async def __call__(self, url: str) -> bytes:
        self.of_keys += url.endswith("/certs")
        return await self._fetch(url)


@pytest.fixture
def clock() -> MovableClock:
    """A clock that a test can set ahead."""
    return MovableClock()


@pytest.fixture
def fetch() -> CountedFetch:
    """What the verifier fetches with."""
    return CountedFetch()


@pytest.fixture
def own_realm(keycloak: Keycloak) -> Iterator[Realm]:
    """A realm of this test alone."""
    realm = keycloak.create_realm()
    yield realm
    realm.remove()


class Site:
    """A middleware that takes the tokens of a realm."""

    def __init__(self, middleware: SessionMiddleware, verifier: JWTVerifier) -> None:
        self.middleware = middleware
        self.verifier = verifier

    async def get(self, token: str, client: str = "192.0.2.1") -> Answer:
        """A request with a token."""
        return await ask(self.middleware, "/read", bearer=token, client=client)

    def get_at_once(self, token: str) -> None:
        """A good request, which is served without having waited for anything: not one turn of the event loop."""
        request = self.get(token)
        try:
            request.send(None)
        except StopIteration as finished:
            answer: Answer = finished.value
            assert (answer.status, answer.json["authenticated"]) == (200, True)
            return
        request.close()
        raise AssertionError("a good request had to wait")


async def site_of(realm: Realm, make_middleware: MakeMiddleware, clock: MovableClock, **arguments: Any) -> Site:
    """Has begun, and fetched the keys."""
    verifier = JWTVerifier(
        realm.issuer, **{"audience": AUDIENCE, "keys": KeyPolicy(insecure_http=True), "clock": clock, **arguments}
    )
    middleware = make_middleware(bearer=verifier, store="memory://")
    await middleware.initialize()
    await until(lambda: verifier.health().fetches == 1 and verifier.health().age is not None)
    return Site(middleware, verifier)


def tokens_of(realm: Realm, client: Client, number: int) -> list[str]:
    """Fresh access tokens, signed with the key that signs now."""
    return [realm.client_tokens(client)["access_token"] for _ in range(number)]


class Traffic:
    """Requests that come all the time with good tokens, and are all served at once."""

    def __init__(self, site: Site, token: str) -> None:
        self.token = token
        """Of the requests from now on."""
        self.first_sights: list[str] = []
        """To be brought once each, before it."""
        self.served = 0
        self._site = site
        self._ends = False

    async def __aenter__(self) -> "Traffic":
        self._task = asyncio.ensure_future(self._come())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends = True
        await self._task
        assert self.first_sights == []

    async def comes(self, number: int = 100) -> None:
        """Return when so many more were served."""
        wanted = self.served + number
        while self.served < wanted and not self._task.done():
            await asyncio.sleep(0)

    async def _come(self) -> None:
        while not self._ends:
            self._site.get_at_once(self.first_sights.pop() if self.first_sights else self.token)
            self.served += 1
            await asyncio.sleep(0)


@pytest.mark.security("JW-23", "JW-26")
async def test_keys_are_rotated_while_requests_run(own_realm: Realm, make_middleware: MakeMiddleware, clock: MovableClock) -> None:
    """No good request waits or is refused; the new key works at first sight; removed, the old one stops within the refresh age."""
    client = own_realm.create_client("web", audience=AUDIENCE)
    old, *more_old = tokens_of(own_realm, client, 4)
    site = await site_of(own_realm, make_middleware, clock)
    assert (await site.get(old)).status == 200
    async with Traffic(site, old) as traffic:
        traffic.first_sights.append(more_old.pop())
        await asyncio.to_thread(own_realm.add_key)
        new, *more_new = await asyncio.to_thread(tokens_of, own_realm, client, 3)
        assert kid_of(new) != kid_of(old)
        assert (await site.get(new)).status == 200
        assert site.verifier.health().fetches == 2
        traffic.first_sights += [more_old.pop(), more_new.pop()]
        await traffic.comes()

        providers = await asyncio.to_thread(own_realm.key_providers)
        await asyncio.to_thread(own_realm.remove_key, providers[kid_of(old)])
        await traffic.comes()
        traffic.token = new
        clock.steady_ahead = 0.9 * KeyPolicy().max_age  # a minute before they are too old, they are fetched beside the requests
        await until(lambda: site.verifier.health().fetches == 3 and site.verifier.health().age < 60)
        refused = [await site.get(token) for token in (old, more_old.pop())]
        assert [(answer.status, answer.json["code"]) for answer in refused] == [(401, "invalid_token")] * 2
        assert site.verifier.stats().refused["unknown_key"] == 2
        traffic.first_sights.append(more_new.pop())
        await traffic.comes()


@pytest.mark.security("JW-22", "JW-27")
async def test_ten_thousand_random_kids_stand_beside_good_traffic(
    own_realm: Realm, make_middleware: MakeMiddleware, clock: MovableClock, fetch: CountedFetch
) -> None:
    """At most one fetch a cool-down; no good request waits, seen before or not; each bad one gets its 401, none a 5xx."""
    client = own_realm.create_client("web", audience=AUDIENCE)
    good, *fresh = tokens_of(own_realm, client, 21)
    site = await site_of(own_realm, make_middleware, clock, fetch=fetch)
    assert (await site.get(good)).status == 200
    assert fetch.of_keys == 1
    async with Traffic(site, good) as traffic:
        traffic.first_sights += fresh
        flood = [site.get(with_kid(good, f"random-{at}"), f"10.0.{at // 250}.{at % 250}") for at in range(10_000)]
        assert {answer.status for answer in await asyncio.gather(*flood)} == {401}
        assert fetch.of_keys == 2
        assert site.verifier.stats().refused["unknown_key"] == 10_000
        clock.steady_ahead = KeyPolicy().cooldown + 1
        for at in range(100):
            assert (await site.get(with_kid(good, f"later-{at}"), f"10.1.0.{at}")).status == 401
        assert fetch.of_keys == 3


@pytest.mark.slow
@pytest.mark.security("JW-24", "AV-05")
async def test_requests_go_on_without_keycloak(
    own_keycloak: Keycloak, make_middleware: MakeMiddleware, clock: MovableClock
) -> None:
    """Frozen, then killed: known keys serve, without waiting, up to the ceiling; a token whose key is unknown gets 503 in time."""
    realm = own_keycloak.create_realm(accessTokenLifespan=3600)
    client = realm.create_client("web", audience=AUDIENCE)
    seen, *fresh = tokens_of(realm, client, 6)
    keys = KeyPolicy(insecure_http=True, fetch_timeout=FETCH_IN_TESTS)
    site = await site_of(realm, make_middleware, clock, keys=keys)
    assert (await site.get(seen)).status == 200

    async def answers_without_keycloak(error: str, first_age: float) -> None:
        """Fresh and old keys, and one that nobody knows."""
        for age in (first_age, first_age + 50):
            failures = site.verifier.health().failures
            clock.steady_ahead = age
            site.get_at_once(seen)
            site.get_at_once(fresh.pop())
            await until(lambda failures=failures: site.verifier.health().failures > failures)  # tried beside the requests
        assert site.verifier.health().last_error == error
        answer = await site.get(with_kid(seen, f"unheard of since {error}"))
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert int(answer.header("retry-after") or "") >= 1
        assert answer.header("www-authenticate") is None
        assert answer.seconds < FETCH_IN_TESTS + SLACK

    own_keycloak.pause()
    async with Traffic(site, seen):
        answer = await site.get(with_kid(seen, "unheard of"))  # asks Keycloak, which says nothing
        assert answer.status == 503
        assert FETCH_IN_TESTS <= answer.seconds < FETCH_IN_TESTS + SLACK
    await answers_without_keycloak("timeout", 560)
    own_keycloak.resume()
    own_keycloak.kill()
    await answers_without_keycloak("connect", 660)
    assert site.verifier.health().stale_uses > 0

    clock.steady_ahead = KeyPolicy().stale_ceiling + 100
    assert [(await site.get(token)).status for token in (seen, fresh.pop())] == [503, 503]
