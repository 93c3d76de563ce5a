"""The verifier against a real Keycloak: its tokens, its keys, and its absence."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from asgi_session.exceptions import KeysUnavailable, TokenError, TokenInvalid
from asgi_session.tokens import ClaimsPolicy, Issuers, JWTVerifier, KeyPolicy, VerifiedToken
from tests.services.keycloak import Keycloak
from tests.services.realm import Client, Realm, User
from tests.tokens.parts import segment

AUDIENCE = "our-api"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


class MovableClock:
    """The machine's clocks, which a test can set ahead."""

    def __init__(self) -> None:
        self.wall_ahead = self.steady_ahead = 0.0

    def now(self) -> float:
        return time.time() + self.wall_ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.steady_ahead


@pytest.fixture
def clock() -> MovableClock:
    """A clock that a test can set ahead."""
    return MovableClock()


@pytest.fixture(scope="module")
def client(realm: Realm) -> Client:
    """A client whose tokens are meant for us."""
    return realm.create_client("web", audience=AUDIENCE)


@pytest.fixture(scope="module")
def user(realm: Realm) -> User:
    """A user who can log in."""
    return realm.create_user("ann")


@pytest.fixture
def rotating_realm(keycloak: Keycloak) -> Iterator[Realm]:
    """A realm whose keys a test may exchange."""
    realm = keycloak.create_realm()
    yield realm
    realm.remove()


@asynccontextmanager
async def verifying(realm: Realm, clock: MovableClock | None = None, **arguments: Any) -> AsyncIterator[JWTVerifier]:
    """A started verifier of a realm, stopped after the block."""
    settings = {"audience": AUDIENCE, "keys": KeyPolicy(insecure_http=True), "clock": clock or MovableClock(), **arguments}
    verifier = JWTVerifier(realm.issuer, **settings)
    await verifier.start()
    try:
        yield verifier
    finally:
        await verifier.stop()


async def reason_of(verifier: JWTVerifier, token: str) -> str:
    """Why a verifier refuses a token."""
    with pytest.raises(TokenInvalid) as caught:
        await verifier.verify(token)
    return caught.value.reason


def at_once(verifier: JWTVerifier, token: str) -> VerifiedToken:
    """The verified token; the test fails if the verification waits for anything at all."""
    verification = verifier.verify(token)
    try:
        verification.send(None)
    except StopIteration as finished:
        verified: VerifiedToken = finished.value
        return verified
    verification.close()
    raise AssertionError("a good token had to wait")


def with_kid(token: str, kid: str) -> str:
    """The same token under the name of another key."""
    header, rest = token.split(".", 1)
    parameters = json.loads(base64.urlsafe_b64decode(header + "=="))
    return f"{segment(json.dumps({**parameters, 'kid': kid}))}.{rest}"


def kid_of(token: str) -> str:
    """The key that a token names."""
    kid: str = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]
    return kid


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that a real process does in its own time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.security("JW-14")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_tokens_of_clients_and_users_are_verified(algorithm: str, realm: Realm, user: User) -> None:
    """Client credentials and a user's login, with every algorithm that Keycloak signs with."""
    client = realm.create_client(f"signs-{algorithm}", audience=AUDIENCE, algorithm=algorithm)
    service = realm.client_tokens(client)["access_token"]
    login = realm.user_tokens(client, user)["access_token"]
    async with verifying(realm, algorithms=(algorithm,)) as verifier:
        assert (await verifier.verify(service)).authorized_party == client.client_id
        verified = await verifier.verify(login)
        assert (verified.issuer, verified.subject, verified.display_name) == (realm.issuer, user.uuid, "ann Example")
        assert verified.session
        assert AUDIENCE in verified.audience
        assert verifier.health().fetches == 1


async def test_scopes_and_roles_are_kept_apart(realm: Realm, client: Client) -> None:
    """A realm role, a client's role of the same name, and the scopes of the login."""
    boss = realm.create_user("boss", roles=("admin",))
    realm.grant_client_role(boss, client, "admin")
    async with verifying(realm) as verifier:
        verified = await verifier.verify(realm.user_tokens(client, boss)["access_token"])
    assert "admin" in verified.realm_roles
    assert verified.client_roles["web"] == ("admin",)
    assert {"openid", "email", "profile"} <= set(verified.scopes)
    assert {"openid", "role:admin", "role:web:admin", "role:account:view-profile"} <= set(verified.permissions)


@pytest.mark.security("JW-03", "JW-13", "JW-14", "JW-18")
async def test_every_other_token_of_the_realm_is_refused(realm: Realm, client: Client, user: User) -> None:
    """ID and refresh token, tokens for others, tampered ones; also where their audience would fit."""
    tokens = realm.user_tokens(client, user)
    stranger = realm.create_client("stranger")
    async with verifying(realm, audience=[AUDIENCE, client.client_id, realm.issuer]) as verifier:
        assert await verifier.verify(tokens["access_token"])
        assert await reason_of(verifier, tokens["id_token"]) == "token_type"
        assert await reason_of(verifier, tokens["refresh_token"]) == "algorithm"
        assert await reason_of(verifier, realm.user_tokens(stranger, user)["access_token"]) == "audience"
        head, payload, signature = tokens["access_token"].split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        forged = segment(json.dumps({**claims, "preferred_username": "boss"}))
        assert await reason_of(verifier, f"{head}.{forged}.{signature}") == "signature"
        flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
        assert await reason_of(verifier, f"{head}.{payload}.{flipped}") == "signature"


@pytest.mark.security("JW-13")
async def test_a_client_can_be_refused_beside_the_audience(realm: Realm, client: Client) -> None:
    """The list of clients looks at azp."""
    token = realm.client_tokens(client)["access_token"]
    async with verifying(realm, authorized_parties=["web"]) as accepting, verifying(realm, authorized_parties=["app"]) as other:
        assert await accepting.verify(token)
        assert await reason_of(other, token) == "authorized_party"


@pytest.mark.security("JW-10")
async def test_an_expired_token_is_refused(realm: Realm, client: Client, clock: MovableClock) -> None:
    """At the time of its own exp, and also where it was verified a moment before."""
    token = realm.client_tokens(client)["access_token"]
    async with verifying(realm, clock, claims=ClaimsPolicy(leeway=0)) as verifier:
        verified = await verifier.verify(token)
        clock.wall_ahead = verified.expires_at - time.time()
        assert await reason_of(verifier, token) == "expired"


@pytest.mark.security("JW-12", "JW-16", "JW-25")
async def test_a_foreign_realm_is_refused_and_two_realms_stand_side_by_side(
    keycloak: Keycloak, realm: Realm, client: Client, rotating_realm: Realm
) -> None:
    """Each verifier takes its own realm's tokens; together they take both; another issuer's metadata is not believed."""
    other = rotating_realm
    own_token = realm.client_tokens(client)["access_token"]
    other_token = other.client_tokens(other.create_client("web", audience=AUDIENCE))["access_token"]
    async with verifying(realm) as first, verifying(other) as second:
        assert await reason_of(first, other_token) == "issuer"
        assert await reason_of(second, own_token) == "issuer"
        both = Issuers([first, second])
        assert both.problems() == []
        assert (await both.verify(own_token)).issuer == realm.issuer
        assert (await both.verify(other_token)).issuer == other.issuer
    wrong = keycloak.issuer(realm.name).replace("127.0.0.1", "localhost") + "/"
    mistaken = JWTVerifier(wrong, audience=AUDIENCE, keys=KeyPolicy(insecure_http=True))
    await mistaken.start()
    await until(lambda: mistaken.health().last_error is not None)
    assert mistaken.health().last_error == "other_issuer"
    await mistaken.stop()


@pytest.mark.security("JW-23", "JW-26")
async def test_keys_are_rotated_while_requests_run(rotating_realm: Realm, clock: MovableClock) -> None:
    """The new key works at first sight, the old one as long as it is published; removed, it stops within the refresh age."""
    realm = rotating_realm
    client = realm.create_client("web", audience=AUDIENCE)
    old_token = realm.client_tokens(client)["access_token"]
    async with verifying(realm, clock) as verifier:
        await verifier.verify(old_token)
        stop = asyncio.Event()

        async def requests() -> int:
            count = 0
            while not stop.is_set():
                at_once(verifier, old_token)
                count += 1
                await asyncio.sleep(0)
            return count

        running = asyncio.create_task(requests())
        await asyncio.to_thread(realm.add_key)
        new_token = (await asyncio.to_thread(realm.client_tokens, client))["access_token"]
        assert kid_of(new_token) != kid_of(old_token)
        assert await verifier.verify(new_token)
        assert verifier.health().fetches == 2
        stop.set()
        assert await running > 100

        realm.remove_key(realm.key_providers()[kid_of(old_token)])
        assert at_once(verifier, old_token)
        clock.steady_ahead = 600
        assert await reason_of(verifier, old_token) == "unknown_key"
        assert await verifier.verify(new_token)


@pytest.mark.security("JW-22", "JW-27")
async def test_ten_thousand_random_kids_stand_beside_good_traffic(realm: Realm, client: Client, clock: MovableClock) -> None:
    """At most one fetch a cool-down, and no good token waits: neither one seen before nor a new one."""
    good = realm.client_tokens(client)["access_token"]
    fresh = [realm.client_tokens(client)["access_token"] for _ in range(20)]
    async with verifying(realm, clock) as verifier:
        await verifier.verify(good)
        fetches = verifier.health().fetches
        flood = [asyncio.create_task(verifier.verify(with_kid(good, f"random-{number}"))) for number in range(10_000)]
        while not all(task.done() for task in flood):
            await asyncio.sleep(0)
            at_once(verifier, good)
            if fresh:
                at_once(verifier, fresh.pop())
        assert {type(task.exception()) for task in flood} == {TokenInvalid}
        assert verifier.health().fetches - fetches == 1
        assert verifier.stats().refused["unknown_key"] == 10_000
        clock.steady_ahead = 31
        for number in range(100):
            assert await reason_of(verifier, with_kid(good, f"later-{number}")) == "unknown_key"
        assert verifier.health().fetches - fetches == 2


@pytest.mark.slow
@pytest.mark.security("JW-24", "AV-05")
async def test_verification_goes_on_without_keycloak(own_keycloak: Keycloak, clock: MovableClock) -> None:
    """Frozen, then killed: known keys verify, without waiting, up to the ceiling; unknown ones are unavailable, not invalid."""
    realm = own_keycloak.create_realm(accessTokenLifespan=3600)
    client = realm.create_client("web", audience=AUDIENCE)
    tokens = [realm.client_tokens(client)["access_token"] for _ in range(6)]
    keys = KeyPolicy(insecure_http=True, fetch_timeout=1)
    async with verifying(realm, clock, keys=keys) as verifier:
        await verifier.verify(tokens[0])

        own_keycloak.pause()
        clock.steady_ahead = 560
        at_once(verifier, tokens[1])
        await until(lambda: verifier.health().last_error == "timeout")
        clock.steady_ahead = 620
        at_once(verifier, tokens[2])
        with pytest.raises(KeysUnavailable):
            await verifier.verify(with_kid(tokens[0], "unheard-of"))
        own_keycloak.resume()

        own_keycloak.kill()
        clock.steady_ahead = 660
        at_once(verifier, tokens[3])
        await until(lambda: verifier.health().last_error == "connect")
        clock.steady_ahead = 720
        at_once(verifier, tokens[4])
        assert verifier.health().stale_uses > 0

        clock.steady_ahead = 3700
        with pytest.raises(TokenError) as caught:
            await verifier.verify(tokens[5])
        assert isinstance(caught.value, KeysUnavailable)
