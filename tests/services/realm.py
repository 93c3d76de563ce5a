"""A realm of the tests' Keycloak: its clients, users, keys and tokens, through the admin API."""

from dataclasses import dataclass
from typing import Any, Protocol

import httpx

_KEY_PROVIDER = "org.keycloak.keys.KeyProvider"
_KEY_PROVIDER_OF_FAMILY = {"RS": "rsa-generated", "PS": "rsa-generated", "ES": "ecdsa-generated", "Ed": "eddsa-generated"}


class Server(Protocol):
    """What a realm needs of its Keycloak."""

    http: httpx.Client

    def issuer(self, realm: str) -> str: ...
    def admin(self, method: str, path: str, *, json: Any = None) -> httpx.Response: ...


@dataclass(frozen=True)
class Client:
    """A registered client, by its OAuth client id and by Keycloak's own id."""

    client_id: str
    secret: str
    uuid: str


@dataclass(frozen=True)
class User:
    """A user who can log in."""

    username: str
    password: str
    uuid: str


class Realm:
    """One realm. Its methods return when Keycloak has done what they say."""

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self._server = server

    @property
    def issuer(self) -> str:
        return self._server.issuer(self.name)

    @property
    def jwks_uri(self) -> str:
        return f"{self.issuer}/protocol/openid-connect/certs"

    def create_client(
        self,
        client_id: str,
        *,
        audience: str | None = None,
        algorithm: str = "RS256",
        secret: str = "client-secret",
        **settings: Any,
    ) -> Client:
        """Register a confidential client that may use every grant.

        `audience` is added to the `aud` of its access tokens, which otherwise names no client; `algorithm` signs them.
        `settings` are fields of Keycloak's ClientRepresentation.
        """
        attributes = {"access.token.signed.response.alg": algorithm, **settings.pop("attributes", {})}
        representation = {
            "clientId": client_id,
            "secret": secret,
            "serviceAccountsEnabled": True,
            "directAccessGrantsEnabled": True,
            "redirectUris": ["http://127.0.0.1:*"],
            "attributes": attributes,
            "protocolMappers": [_audience_mapper(audience)] if audience else [],
            **settings,
        }
        return Client(client_id, secret, _new_id(self._admin("POST", "/clients", json=representation)))

    def create_user(self, username: str, password: str = "user-password", *, roles: tuple[str, ...] = (), **settings: Any) -> User:
        """Make a user, with realm roles that are made where they are missing."""
        representation = {
            "username": username,
            "enabled": True,
            "email": f"{username}@example.org",
            "emailVerified": True,
            "firstName": username,
            "lastName": "Example",
            "credentials": [{"type": "password", "value": password, "temporary": False}],
            **settings,
        }
        user = User(username, password, _new_id(self._admin("POST", "/users", json=representation)))
        for role in roles:
            self._grant(f"/users/{user.uuid}/role-mappings/realm", "/roles", role)
        return user

    def grant_client_role(self, user: User, client: Client, role: str) -> None:
        """Give a user a role of a client, which is made where it is missing."""
        self._grant(f"/users/{user.uuid}/role-mappings/clients/{client.uuid}", f"/clients/{client.uuid}/roles", role)

    def token_response(self, client: Client, grant_type: str, **form: str) -> httpx.Response:
        """Ask the token endpoint, whatever it answers."""
        credentials = {"client_id": client.client_id, "client_secret": client.secret}
        url = f"{self.issuer}/protocol/openid-connect/token"
        return self._server.http.post(url, data={"grant_type": grant_type, **credentials, **form})

    def client_tokens(self, client: Client, scope: str = "openid") -> dict[str, Any]:
        """The client's own tokens, by client credentials."""
        return _document(self.token_response(client, "client_credentials", scope=scope))

    def user_tokens(self, client: Client, user: User, scope: str = "openid") -> dict[str, Any]:
        """Access, refresh and id token of a fresh login of the user."""
        form = {"username": user.username, "password": user.password, "scope": scope}
        return _document(self.token_response(client, "password", **form))

    def refreshed_tokens(self, client: Client, refresh_token: str) -> dict[str, Any]:
        """What the refresh token is worth."""
        return _document(self.token_response(client, "refresh_token", refresh_token=refresh_token))

    def introspect(self, client: Client, token: str) -> dict[str, Any]:
        """What Keycloak thinks of a token; inactive for a client that the token's `aud` does not name."""
        form = {"client_id": client.client_id, "client_secret": client.secret, "token": token}
        return _document(self._server.http.post(f"{self.issuer}/protocol/openid-connect/token/introspect", data=form))

    def logout_user(self, user: User) -> None:
        """End all sessions of a user, as an administrator does."""
        self._admin("POST", f"/users/{user.uuid}/logout")

    def jwks(self) -> list[dict[str, Any]]:
        """The published keys."""
        keys: list[dict[str, Any]] = _document(self._server.http.get(self.jwks_uri))["keys"]
        return keys

    def add_key(self, algorithm: str = "RS256", *, priority: int = 200) -> str:
        """Add a signing key, return its provider's id. With the highest priority of its algorithm it signs at once."""
        config = {"priority": [str(priority)], "enabled": ["true"], "active": ["true"]}
        if algorithm[:2] in {"RS", "PS"}:
            config["algorithm"] = [algorithm]
        elif algorithm[:2] == "ES":
            config["ecdsaEllipticCurveKey"] = [{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]]
        representation = {
            "name": f"added-{algorithm}-{priority}",
            "providerId": _KEY_PROVIDER_OF_FAMILY[algorithm[:2]],
            "providerType": _KEY_PROVIDER,
            "config": config,
        }
        return _new_id(self._admin("POST", "/components", json=representation))

    def key_providers(self) -> dict[str, str]:
        """Provider id by kid, of all published signing keys."""
        keys = _document(self._admin("GET", "/keys"))["keys"]
        published = {key["kid"] for key in self.jwks() if key["use"] == "sig"}
        return {key["kid"]: key["providerId"] for key in keys if key["kid"] in published}

    def disable_key(self, provider: str) -> None:
        """Withdraw a key: it leaves the published set, but could be enabled again."""
        component = _document(self._admin("GET", f"/components/{provider}"))
        component["config"] |= {"enabled": ["false"], "active": ["false"]}
        self._admin("PUT", f"/components/{provider}", json=component)

    def remove_key(self, provider: str) -> None:
        """Withdraw a key for good."""
        self._admin("DELETE", f"/components/{provider}")

    def remove(self) -> None:
        """Delete the realm."""
        self._admin("DELETE", "")

    def _admin(self, method: str, path: str, *, json: Any = None) -> httpx.Response:
        return self._server.admin(method, f"/{self.name}{path}", json=json)

    def _grant(self, mappings: str, roles: str, role: str) -> None:
        existing = self._admin("GET", roles).json()
        if role not in {known["name"] for known in existing}:
            self._admin("POST", roles, json={"name": role})
        self._admin("POST", mappings, json=[_document(self._admin("GET", f"{roles}/{role}"))])


def _audience_mapper(audience: str) -> dict[str, Any]:
    config = {"included.custom.audience": audience, "access.token.claim": "true", "id.token.claim": "false"}
    return {"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": config}


def _new_id(created: httpx.Response) -> str:
    return created.headers["location"].rsplit("/", 1)[1]


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer itself; a refusal raises with what Keycloak says about it."""
    if answer.is_error:
        raise RuntimeError(f"Keycloak answered {answer.status_code} to {answer.request.url}: {answer.text}")
    return answer


def _document(answer: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = checked(answer).json()
    return document
