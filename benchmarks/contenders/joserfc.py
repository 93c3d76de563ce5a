"""joserfc, called as its documentation says, with keys and registries that are made once."""

from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from benchmarks.contenders.site import ASGIApp, Scope, Site, application, bearer_of, no_login


def token(site: Site) -> ASGIApp:
    """Signature, issuer, audience and times."""
    keys = KeySet.import_key_set({"keys": [dict(key) for key in site.jwks["keys"]]})
    registry = JWSRegistry(algorithms=["RS256"])
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": site.issuer},
        aud={"essential": True, "value": site.audience},
        exp={"essential": True},
        sub={"essential": True},
    )

    def read(scope: Scope) -> str:
        verified = jwt.decode(bearer_of(scope), keys, registry=registry)
        claims.validate(verified.claims)
        name: str = verified.claims["preferred_username"]
        return name

    return application(read, no_login)
