"""The table of checks on claims, each through the verifier's one entry."""

from typing import Any

import pytest

from asgi_session.exceptions import TokenExpired, TokenInvalid
from asgi_session.tokens import ClaimsPolicy, JWTVerifier
from asgi_session.tokens import claims as claims_module
from tests.tokens.parts import AUDIENCE, ISSUER, NOW, SigningKey, StoppedClock, valid_claims, verifier_of

KEY = SigningKey("EdDSA")


async def reason_of(verifier: JWTVerifier, token: str) -> str:
    """Why a verifier refuses a token."""
    with pytest.raises(TokenInvalid) as caught:
        await verifier.verify(token)
    return caught.value.reason


async def test_a_good_token_gives_everything_it_says() -> None:
    """Each field of the verified token comes from its claim."""
    roles = {"realm_access": {"roles": ["admin"]}, "resource_access": {"web": {"roles": ["editor"]}}}
    token = await verifier_of(KEY).verify(KEY.sign(valid_claims(aud=[AUDIENCE, "account"], name="Ann Example", **roles)))
    assert (token.issuer, token.subject, token.audience) == (ISSUER, "user-1", (AUDIENCE, "account"))
    assert (token.expires_at, token.issued_at) == (NOW + 300, NOW - 5)
    assert (token.authorized_party, token.token_id, token.session) == ("web", "token-1", "session-1")
    assert (token.scopes, token.realm_roles, dict(token.client_roles)) == (("openid", "email"), ("admin",), {"web": ("editor",)})
    assert token.display_name == "Ann Example"
    assert token.claims["preferred_username"] == "ann"
    assert token.permissions == ("openid", "email", "role:admin", "role:web:editor")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"name": None}, "ann"),
        ({"name": "", "preferred_username": ""}, "user-1"),
        ({"preferred_username": None}, "user-1"),
    ],
)
async def test_display_name_falls_back(changes: dict[str, Any], name: str) -> None:
    """Name, else user name, else subject."""
    assert (await verifier_of(KEY).verify(KEY.sign(valid_claims(**changes)))).display_name == name


@pytest.mark.security("JW-10")
@pytest.mark.parametrize("claim", ["sub", "aud", "exp", "iat"])
async def test_required_claims_are_required(claim: str) -> None:
    """Without any of them a token says too little."""
    assert await reason_of(verifier_of(KEY), KEY.sign(valid_claims(**{claim: None}))) == "missing_claim"


async def test_more_claims_can_be_required() -> None:
    """A policy may ask for claims of the application's own."""
    strict = verifier_of(KEY, claims=ClaimsPolicy(required=("tenant",)))
    assert await reason_of(strict, KEY.sign()) == "missing_claim"
    assert (await strict.verify(KEY.sign(valid_claims(tenant="t")))).claims["tenant"] == "t"


@pytest.mark.security("JW-12")
@pytest.mark.parametrize(
    "issuer",
    [None, "", [ISSUER], {"iss": ISSUER}, True, f"{ISSUER}/", ISSUER[:-1], ISSUER.upper(), ISSUER + " ", "https://evil.example"],
)
async def test_issuer_is_compared_as_a_whole(issuer: object) -> None:
    """No array, prefix, slash or letter case makes another issuer ours."""
    assert await reason_of(verifier_of(KEY), KEY.sign({**valid_claims(), "iss": issuer})) == "issuer"


@pytest.mark.security("JW-12")
async def test_issuer_is_judged_again_among_the_claims() -> None:
    """The table holds without the gate in front of it."""
    claims = valid_claims(iss="https://evil.example")
    expected = claims_module.Expectations(ISSUER, frozenset({AUDIENCE}), frozenset(), ClaimsPolicy())
    with pytest.raises(TokenInvalid) as caught:
        claims_module.judge(claims_module.Candidate("at+jwt", claims, NOW), expected)
    assert caught.value.reason == "issuer"


@pytest.mark.security("JW-13")
@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        ("account", "audience"),
        ([], "audience"),
        ("", "audience"),
        (["account", "web"], "audience"),
        (AUDIENCE + "/", "audience"),
        (AUDIENCE.upper(), "audience"),
        (5, "claim_type"),
        ({AUDIENCE: True}, "claim_type"),
        ([AUDIENCE, 5], "claim_type"),
        ([[AUDIENCE]], "claim_type"),
        ([AUDIENCE] * 1001, "claim_type"),
    ],
)
async def test_audience_has_to_name_us(audience: object, reason: str) -> None:
    """What was issued for somebody else is refused, also where the requesting client is ours."""
    assert await reason_of(verifier_of(KEY), KEY.sign({**valid_claims(azp=AUDIENCE), "aud": audience})) == reason


async def test_any_of_several_audiences_will_do() -> None:
    """A service may be known by several names."""
    verifier = verifier_of(KEY, audience=["other", AUDIENCE])
    assert (await verifier.verify(KEY.sign(valid_claims(aud=["x", "other"])))).audience == ("x", "other")


@pytest.mark.security("JW-13")
@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"azp": "mobile"}, False),
        ({"azp": None}, False),
        ({"azp": None, "client_id": "web"}, True),
        ({"azp": None, "client_id": "mobile"}, False),
        ({"azp": "mobile", "client_id": "web"}, False),
    ],
)
async def test_authorized_parties_narrow_the_clients(changes: dict[str, Any], accepted: bool) -> None:
    """With a list of clients, tokens of all others are refused, and those that name none."""
    verifier = verifier_of(KEY, authorized_parties=["web"])
    token = KEY.sign(valid_claims(**changes))
    if accepted:
        assert (await verifier.verify(token)).authorized_party == "web"
    else:
        assert await reason_of(verifier, token) == "authorized_party"


@pytest.mark.security("JW-10")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": NOW - 29}, None),
        ({"exp": NOW - 29.5}, None),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": NOW + 86_430}, None),
        ({"exp": NOW + 86_431}, "lifetime"),
        ({"exp": 253_402_300_799}, "lifetime"),
        ({"exp": 253_402_300_800}, "claim_type"),
        ({"exp": 1e308}, "claim_type"),
        ({"exp": 10**400}, "claim_type"),
        ({"exp": -1}, "claim_type"),
        ({"exp": True}, "claim_type"),
        ({"exp": str(NOW + 300)}, "claim_type"),
        ({"exp": [NOW + 300]}, "claim_type"),
        ({"iat": NOW + 30}, None),
        ({"iat": NOW + 31}, "not_yet_valid"),
        ({"iat": "now"}, "claim_type"),
        ({"iat": False}, "claim_type"),
        ({"nbf": NOW + 30}, None),
        ({"nbf": NOW + 31}, "not_yet_valid"),
        ({"nbf": -(10**400)}, "claim_type"),
        ({"nbf": True}, "claim_type"),
    ],
)
async def test_times_are_numbers_within_their_limits(changes: dict[str, Any], reason: str | None) -> None:
    """Leeway to the second, a day at most, and nothing that only looks like a time."""
    token = KEY.sign(valid_claims(**changes))
    if reason is None:
        assert await verifier_of(KEY).verify(token)
    else:
        assert await reason_of(verifier_of(KEY), token) == reason


@pytest.mark.security("JW-10")
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
async def test_null_is_not_a_time(claim: str) -> None:
    """A claim that is there but null is of a wrong type, not absent."""
    assert await reason_of(verifier_of(KEY), KEY.sign({**valid_claims(), claim: None})) == "claim_type"


@pytest.mark.security("JW-10")
async def test_expiry_has_a_class_of_its_own(clock: StoppedClock) -> None:
    """A client can tell that refreshing will help."""
    verifier = verifier_of(KEY, clock=clock, claims=ClaimsPolicy(leeway=0))
    clock.advance(300)
    with pytest.raises(TokenExpired):
        await verifier.verify(KEY.sign())


@pytest.mark.security("JW-10", "JW-16")
@pytest.mark.parametrize(
    "changes",
    [{"sub": ""}, {"sub": 5}, {"sub": ["user-1"]}, {"azp": 1}, {"client_id": [], "azp": ""}, {"jti": 1}, {"sid": {}}, {"name": 1}],
)
async def test_texts_are_texts(changes: dict[str, Any]) -> None:
    """Identifiers of another type are refused rather than turned into text."""
    assert await reason_of(verifier_of(KEY), KEY.sign(valid_claims(**changes))) == "claim_type"


@pytest.mark.security("JW-16")
async def test_a_user_is_known_by_issuer_and_subject() -> None:
    """Two issuers may use one subject; a changed e-mail address changes nobody."""
    other = JWTVerifier("https://b", audience=AUDIENCE, jwks={"keys": [KEY.public()]}, clock=StoppedClock())
    first = await verifier_of(KEY).verify(KEY.sign(valid_claims(email="a@example.org")))
    second = await other.verify(KEY.sign(valid_claims(iss="https://b", email="a@example.org")))
    assert first.subject == second.subject
    assert (first.issuer, first.subject) != (second.issuer, second.subject)


@pytest.mark.security("JW-15")
@pytest.mark.parametrize("confirmation", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, None, "x"])
async def test_bound_tokens_are_no_bearer_tokens(confirmation: object) -> None:
    """A token bound to its sender's key is refused without that proof, whatever form the binding has."""
    assert await reason_of(verifier_of(KEY), KEY.sign({**valid_claims(), "cnf": confirmation})) == "sender_constrained"


@pytest.mark.security("JW-14")
@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ("JWT", {"typ": "ID"}),
        ("JWT", {"typ": "Refresh"}),
        ("JWT", {"typ": "Offline"}),
        ("logout+jwt", {"events": {}}),
        ("dpop+jwt", {}),
        ("secevent+jwt", {"events": {}}),
        ("JWT", {}),
        (None, {}),
    ],
)
async def test_only_access_tokens_are_taken(header: str | None, changes: dict[str, Any]) -> None:
    """Every other token of the same issuer, though signed by the same key, is refused."""
    assert await reason_of(verifier_of(KEY), KEY.sign(valid_claims(**changes), typ=header)) == "token_type"


@pytest.mark.security("JW-14")
async def test_untyped_tokens_are_taken_on_request_only() -> None:
    """A switch admits tokens that say nothing about their kind, and still none that look like another kind."""
    lenient = verifier_of(KEY, claims=ClaimsPolicy(accept_untyped=True))
    assert await lenient.verify(KEY.sign(typ="JWT"))
    assert await lenient.verify(KEY.sign(typ=None))
    assert await reason_of(lenient, KEY.sign(valid_claims(nonce="n"), typ="JWT")) == "token_type"
    assert await reason_of(lenient, KEY.sign(valid_claims(typ="ID"), typ="JWT")) == "token_type"


@pytest.mark.security("OA-26")
async def test_roles_of_a_wrong_type_refuse_the_token() -> None:
    """A token whose roles can't be understood gives none."""
    assert await reason_of(verifier_of(KEY), KEY.sign(valid_claims(realm_access={"roles": "admin"}))) == "claim_type"


@pytest.mark.security("AV-08", "JW-29")
@pytest.mark.parametrize("position", range(len(claims_module.CHECKS)))
async def test_a_check_that_breaks_denies(position: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in any one check never lets a token pass."""

    def broken(*_: object) -> None:
        raise LookupError("a defect")

    checks = list(claims_module.CHECKS)
    checks[position] = broken
    monkeypatch.setattr(claims_module, "CHECKS", tuple(checks))
    assert await reason_of(verifier_of(KEY), KEY.sign()) == "internal"
