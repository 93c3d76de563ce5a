"""Scopes and Keycloak's roles out of the claims, with their types checked (OA-26).

A string where a list belongs would otherwise be read letter by letter.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .refusals import refused

MAX_NAMES = 1000


def scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The claim ``scope``, split at spaces (RFC 9068 §2.2.3).

    Raises:
        TokenInvalid: ``claim_type``.
    """
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise refused("claim_type")
    return names(tuple(value.split()))


def realm_roles(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """``realm_access.roles``.

    Raises:
        TokenInvalid: ``claim_type``.
    """
    return names(_object(claims, "realm_access").get("roles", ()))


def client_roles(claims: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """``resource_access.<client>.roles``.

    Raises:
        TokenInvalid: ``claim_type``.
    """
    clients = _object(claims, "resource_access")
    return MappingProxyType({client: names(_object(clients, client).get("roles", ())) for client in clients})


def names(value: object) -> tuple[str, ...]:
    """``value``, if it is a list of at most 1,000 strings.

    Raises:
        TokenInvalid: ``claim_type``.
    """
    if not isinstance(value, tuple) or len(value) > MAX_NAMES or not all(isinstance(name, str) for name in value):
        raise refused("claim_type")
    return value


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name, {})
    if not isinstance(value, Mapping):
        raise refused("claim_type")
    return value
