"""PyJWT, called as its documentation says, with keys that are imported once."""

import jwt

from benchmarks.contenders.site import ASGIApp, Scope, Site, application, bearer_of, no_login


def token(site: Site) -> ASGIApp:
    """Signature, issuer, audience and times."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(site.jwks)).keys}

    def read(scope: Scope) -> str:
        token = bearer_of(scope)
        key = keys[jwt.get_unverified_header(token)["kid"]]
        options = {"require": ["exp", "iss", "aud", "sub"]}
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=site.audience, issuer=site.issuer, options=options)
        name: str = claims["preferred_username"]
        return name

    return application(read, no_login)
