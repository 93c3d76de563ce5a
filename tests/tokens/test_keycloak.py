"""The verifier against a real Keycloak and its tokens (its keys and its absence: ``tests/faults/test_keycloak.py``)."""

import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens import ClaimsPolicy, Issuers, JWTVerifier, KeyPolicy
from tests.services.keycloak import Keycloak
from tests.services.realm import Client, Realm, User
from tests.tokens.keycloak_tokens import AUDIENCE, MovableClock, until
from tests.tokens.parts import segment

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


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
