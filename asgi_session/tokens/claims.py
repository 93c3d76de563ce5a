"""Which claims make a token good: one table of checks, each of which every token passes (JW-10 to JW-16)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .base import VerifiedToken
from .policies import ClaimsPolicy
from .refusals import refused
from .roles import client_roles, names, realm_roles, scopes
from .token_types import token_type

ALWAYS_REQUIRED = ("iss", "sub", "aud", "exp", "iat")
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999: what ``datetime`` can still hold."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the configuration demands of every token."""

    issuer: str
    audiences: frozenset[str]
    authorized_parties: frozenset[str]
    policy: ClaimsPolicy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token whose signature is right, about to be judged."""

    header_type: str | None
    claims: Mapping[str, Any]
    now: float
    """Wall-clock time, seconds since the epoch."""


def judge(candidate: Candidate, expected: Expectations) -> VerifiedToken:
    """The verified token, once every check of ``CHECKS`` was passed.

    Raises:
        TokenInvalid: the first check that failed; ``TokenExpired`` where that was the time.
    """
    for check in CHECKS:
        check(candidate, expected)
    claims = candidate.claims
    subject = claims["sub"]
    return VerifiedToken(
        issuer=expected.issuer,
        subject=subject,
        claims=claims,
        expires_at=_time(claims, "exp"),
        issued_at=_time(claims, "iat"),
        audience=_audience(claims),
        authorized_party=_authorized_party(claims),
        token_id=_text(claims, "jti"),
        session=_text(claims, "sid"),
        scopes=scopes(claims),
        realm_roles=realm_roles(claims),
        client_roles=client_roles(claims),
        display_name=_text(claims, "name") or _text(claims, "preferred_username") or subject,
    )


def _has_what_is_required(candidate: Candidate, expected: Expectations) -> None:
    claims = candidate.claims
    for name in ALWAYS_REQUIRED:
        if name not in claims:
            raise refused("missing_claim")
    for name in expected.policy.required:
        if name not in claims:
            raise refused("missing_claim")


def _comes_from_the_issuer(candidate: Candidate, expected: Expectations) -> None:
    if candidate.claims["iss"] != expected.issuer:
        raise refused("issuer")


def _has_a_subject(candidate: Candidate, _: Expectations) -> None:
    if not _text(candidate.claims, "sub"):
        raise refused("claim_type")


def _is_an_access_token(candidate: Candidate, expected: Expectations) -> None:
    kind = token_type(candidate.header_type, candidate.claims)
    if kind != "access" and not (kind == "untyped" and expected.policy.accept_untyped):
        raise refused("token_type")


def _is_a_plain_bearer_token(candidate: Candidate, _: Expectations) -> None:
    if "cnf" in candidate.claims:  # DPoP or mutual TLS: without the sender's proof it may be a stolen one (RFC 9449 §7.1)
        raise refused("sender_constrained")


def _is_meant_for_us(candidate: Candidate, expected: Expectations) -> None:
    if expected.audiences.isdisjoint(_audience(candidate.claims)):
        raise refused("audience")


def _was_given_to_an_accepted_client(candidate: Candidate, expected: Expectations) -> None:
    if expected.authorized_parties and _authorized_party(candidate.claims) not in expected.authorized_parties:
        raise refused("authorized_party")


def _is_in_its_time(candidate: Candidate, expected: Expectations) -> None:
    claims, now, leeway = candidate.claims, candidate.now, expected.policy.leeway
    expires_at = _time(claims, "exp")
    if now >= expires_at + leeway:
        raise refused("expired")
    if expires_at > now + expected.policy.max_lifetime + leeway:
        raise refused("lifetime")
    if _time(claims, "iat") > now + leeway or ("nbf" in claims and _time(claims, "nbf") > now + leeway):
        raise refused("not_yet_valid")


CHECKS: tuple[Callable[[Candidate, Expectations], None], ...] = (
    _has_what_is_required,
    _comes_from_the_issuer,
    _has_a_subject,
    _is_an_access_token,
    _is_a_plain_bearer_token,
    _is_meant_for_us,
    _was_given_to_an_accepted_client,
    _is_in_its_time,
)


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate. Neither true nor 10^400 is one, although Python could compare both with a time."""
    value = claims[name]
    if type(value) not in (int, float) or not 0 <= value <= LATEST_TIME:
        raise refused("claim_type")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and type(value) is not str:
        raise refused("claim_type")
    return value


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims["aud"]
    return (value,) if type(value) is str else names(value)


def _authorized_party(claims: Mapping[str, Any]) -> str | None:
    return _text(claims, "azp") or _text(claims, "client_id")
