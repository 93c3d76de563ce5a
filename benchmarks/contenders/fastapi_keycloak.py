"""fastapi-keycloak-middleware, told to check issuer and audience, which it doesn't by itself."""

from fastapi_keycloak_middleware import KeycloakConfiguration, KeycloakMiddleware
from jwcrypto.jwk import JWK, JWKSet

from benchmarks.contenders.site import ASGIApp, Scope, Site, application, no_login


def token(site: Site) -> ASGIApp:
    """With the realm's keys at hand, so that it fetches none."""
    keys = JWKSet()
    for key in site.jwks["keys"]:
        keys.add(JWK(**key))
    configuration = KeycloakConfiguration(
        realm="benchmarks",
        url=site.issuer,
        client_id=site.audience,
        validation_options={"key": keys, "check_claims": {"iss": site.issuer, "aud": site.audience, "exp": None}},
    )
    return KeycloakMiddleware(application(_read, no_login), configuration, user_mapper=_user)


async def _user(claims: dict[str, str]) -> str:
    return claims["preferred_username"]


def _read(scope: Scope) -> str:
    name: str = scope["user"]
    return name
