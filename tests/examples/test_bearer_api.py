"""The API for tokens of the real Keycloak."""

from collections.abc import Callable

import pytest

from tests.examples.conftest import Start
from tests.examples.documented import Curl, lines_of
from tests.servers.programs import AsgiServer
from tests.services.realm import Realm

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def tokens(realm: Realm) -> dict[str, str]:
    """Access tokens: of a user who may read and write, of one who may nothing, and of the latter for another audience.

    (Whoever has a role of a client has that client in ``aud``: Keycloak adds it by itself.)
    """
    client = realm.create_client("notes", audience="notes")
    foreign = realm.create_client("shop", audience="shop")
    ada = realm.create_user("ada", roles=("reader",))
    realm.grant_client_role(ada, client, "writer")
    guest = realm.create_user("guest")
    return {
        "ada": realm.user_tokens(client, ada)["access_token"],
        "guest": realm.user_tokens(client, guest)["access_token"],
        "foreign": realm.user_tokens(foreign, guest)["access_token"],
    }


def test_api_takes_tokens_of_its_realm(
    start: Start, curl: Callable[[AsgiServer], Curl], realm: Realm, tokens: dict[str, str]
) -> None:
    """The documented lines work with a token of the realm, roles decide, and other tokens are refused."""
    line = curl(start("bearer_api", OIDC_ISSUER=realm.issuer, API_AUDIENCE="notes"))
    commands = [documented.command for documented in lines_of("bearer_api", "curl")]

    def statuses(token: str) -> list[int]:
        return [line(command.replace("Bearer ...", f"Bearer {token}")).status_code for command in commands]

    assert statuses(tokens["ada"]) == [401, 200, 200, 201]
    assert statuses(tokens["guest"]) == [401, 200, 403, 403]
    assert statuses(tokens["foreign"]) == [401, 401, 401, 401]


def test_user_is_named_by_the_token(start: Start, curl: Callable[[AsgiServer], Curl], realm: Realm, tokens: dict[str, str]) -> None:
    """Name, scopes and roles of the token reach the handler."""
    line = curl(start("bearer_api", OIDC_ISSUER=realm.issuer, API_AUDIENCE="notes"))

    me = line(f'curl -H "Authorization: Bearer {tokens["ada"]}" http://127.0.0.1:8000/me').json()

    assert me["name"] == "ada Example"
    assert {"authenticated", "openid", "role:reader", "role:notes:writer"} <= set(me["may"])
