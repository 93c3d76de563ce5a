"""The verifier as a whole: its one way in, what it counts, and what leaves it."""

import asyncio
import gc
import json
from typing import Any

import pytest

from asgi_session.exceptions import KeysUnavailable, TokenError, TokenInvalid
from asgi_session.tokens import ClaimsPolicy, JWTVerifier, KeyPolicy
from asgi_session.tokens import verifier as verifier_module
from asgi_session.tokens.algorithms import ASYMMETRIC
from asgi_session.tokens.base import TokenVerifier
from asgi_session.tokens.refusals import REFUSALS
from tests.tokens.parts import (
    AUDIENCE,
    ISSUER,
    NOW,
    FakeProvider,
    SigningKey,
    StoppedClock,
    segment,
    texts_of,
    valid_claims,
    verifier_of,
)

KEY = SigningKey("EdDSA")


async def refusal_of(verifier: JWTVerifier, token: Any) -> TokenInvalid:
    """The refusal of a token."""
    with pytest.raises(TokenInvalid) as caught:
        await verifier.verify(token)
    return caught.value


def provided(provider: FakeProvider, clock: StoppedClock, **arguments: Any) -> JWTVerifier:
    """A verifier that asks a provider."""
    return JWTVerifier(provider.issuer, **{"audience": AUDIENCE, "clock": clock, "fetch": provider.fetch, **arguments})


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_every_default_algorithm_is_verified(algorithm: str) -> None:
    """Each of them, also EdDSA, of which joserfc warns at every call of its own registry."""
    key = SigningKey(algorithm)
    assert (await verifier_of(key).verify(key.sign())).subject == "user-1"


async def test_keys_of_a_provider_are_found_without_start(clock: StoppedClock) -> None:
    """The first token fetches them, and later tokens go on with them."""
    provider = FakeProvider(KEY)
    verifier = provided(provider, clock)
    assert verifier.health().keys == 0
    assert await verifier.verify(KEY.sign())
    assert await verifier.verify(KEY.sign(valid_claims(jti="another")))
    assert provider.key_fetches == 1
    assert (verifier.health().keys, verifier.health().generation) == (1, 1)


async def test_start_fetches_ahead_and_stop_leaves_no_task(clock: StoppedClock) -> None:
    """The keys are there before the first token; both calls may be repeated, and it can be used again after them."""
    before = asyncio.all_tasks()
    provider = FakeProvider(KEY)
    verifier = provided(provider, clock)
    await verifier.start()
    assert await verifier.verify(KEY.sign())
    assert provider.key_fetches == 1
    await verifier.stop()
    await verifier.stop()
    assert asyncio.all_tasks() == before
    assert await verifier.verify(KEY.sign(valid_claims(jti="after")))


@pytest.mark.security("AV-05", "AV-09")
async def test_a_provider_that_is_down_fails_no_start(clock: StoppedClock) -> None:
    """The application comes up; tokens are unavailable, not invalid, until the provider is there."""
    provider = FakeProvider(KEY)
    provider.failure = ConnectionRefusedError("10.0.0.1 refused")
    verifier = provided(provider, clock)
    await verifier.start()
    with pytest.raises(KeysUnavailable) as caught:
        await verifier.verify(KEY.sign())
    assert "10.0.0.1" not in texts_of(caught.value)
    assert verifier.stats().unavailable == 1
    provider.failure = None
    clock.advance(60)
    assert await verifier.verify(KEY.sign(valid_claims(exp=NOW + 900)))
    await verifier.stop()


@pytest.mark.security("JW-11")
async def test_an_expired_token_of_a_known_key_is_refused(clock: StoppedClock) -> None:
    """A right signature is not enough, whichever claim is wrong."""
    verifier = verifier_of(KEY, clock=clock)
    assert (await refusal_of(verifier, KEY.sign(valid_claims(exp=NOW - 60)))).reason == "expired"
    assert (await refusal_of(verifier, KEY.sign(typ="JWT"))).reason == "token_type"
    assert verifier.stats().signatures == 2


@pytest.mark.security("JW-02")
@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "eddsa", "EDDSA", "rs256", "HS256", "", " EdDSA", "EdDSA\x00"])
async def test_only_listed_algorithms_are_verified(name: str) -> None:
    """No spelling of none, no other letter case, no algorithm that was not named; with and without a signature."""
    verifier = verifier_of(KEY)
    token = KEY.sign(alg=name)
    assert (await refusal_of(verifier, token)).reason == "algorithm"
    assert (await refusal_of(verifier, token.rpartition(".")[0] + ".AA")).reason == "algorithm"
    assert verifier.stats().signatures == 0


@pytest.mark.security("JW-01", "JW-03")
async def test_the_allow_list_is_narrower_than_the_keys() -> None:
    """A key of the issuer for an algorithm that is not accepted here is not even imported."""
    rsa = SigningKey("RS256", "rsa")
    verifier = verifier_of(KEY, rsa, algorithms=("RS256",))
    assert (await refusal_of(verifier, KEY.sign())).reason == "algorithm"
    assert verifier.health().keys == 1


@pytest.mark.security("JW-06")
async def test_keys_brought_along_are_refused_and_nothing_is_fetched(clock: StoppedClock) -> None:
    """An attacker's key in the header, by value or by address, costs no request and no signature."""
    provider = FakeProvider(KEY)
    verifier = provided(provider, clock)
    evil = SigningKey("EdDSA", "evil", number=1)
    for header in (
        {"jwk": evil.public()},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example"},
        {"x5c": ["MIIB"]},
    ):
        assert (await refusal_of(verifier, evil.sign(**header))).reason == "header"
    assert provider.requests == []
    assert verifier.stats().signatures == 0


@pytest.mark.security("JW-27")
async def test_cheap_checks_come_before_dear_ones(clock: StoppedClock) -> None:
    """What its text condemns costs neither a fetch nor a signature, and every refusal is counted by its reason."""
    provider = FakeProvider(KEY)
    verifier = provided(provider, clock)
    for token, reason in (
        ("x" * 20_000, "size"),
        ("garbage", "format"),
        ("a.b.c.d.e", "encrypted"),
        (KEY.sign(b64=False), "header"),
        (KEY.sign("[]"), "payload"),
        (KEY.sign(valid_claims(iss="https://evil.example")), "issuer"),
        (KEY.sign(alg="HS256"), "algorithm"),
    ):
        assert (await refusal_of(verifier, token)).reason == reason
        assert verifier.stats().refused[reason] == 1
    assert provider.requests == []
    assert verifier.stats().signatures == 0
    assert sum(verifier.stats().refused.values()) == 7
    assert set(verifier.stats().refused) == set(REFUSALS)


@pytest.mark.security("JW-04")
async def test_a_token_has_one_spelling() -> None:
    """No character of a token can be replaced, added or taken away without losing it."""
    verifier = verifier_of(KEY)
    token = KEY.sign()
    await verifier.verify(token)
    for other in (token + "=", token + " ", " " + token, token + "A", token[:-1], token.replace("-", "+"), token + "\n"):
        if other != token:
            await refusal_of(verifier, other)
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if last != token[-1]:
            await refusal_of(verifier, token[:-1] + last)


@pytest.mark.security("JW-03", "JW-29")
async def test_a_tampered_token_is_refused() -> None:
    """Other claims under the same signature, another signature, no signature."""
    verifier = verifier_of(KEY)
    header, _, signature = KEY.sign().split(".")
    forged = segment(json.dumps(valid_claims(sub="admin")))
    assert (await refusal_of(verifier, f"{header}.{forged}.{signature}")).reason == "signature"
    stranger = SigningKey("EdDSA", "key-1", number=1)
    assert (await refusal_of(verifier, stranger.sign())).reason == "signature"
    assert (await refusal_of(verifier, f"{header}.{forged}.AA")).reason == "signature"


@pytest.mark.security("LG-05")
@pytest.mark.parametrize("size", [10, 3000, pytest.param(10_000_000, marks=pytest.mark.lengthy)])
async def test_errors_hold_nothing_of_the_token(size: int) -> None:
    """Whatever is wrong with a token, none of it is repeated, and the text stays short, for ten megabytes too."""
    canary = "canary" + "y" * size
    broken = [
        canary,
        f"{canary}.{canary}.{canary}",
        KEY.sign(kid=canary[:200]),
        KEY.sign(alg=canary[:200]),
        KEY.sign(typ=canary[:200]),
        KEY.sign(**{canary[:200]: "x"}),
        KEY.sign(valid_claims(iss=canary)),
        KEY.sign(valid_claims(aud=canary)),
        KEY.sign(valid_claims(sub=[canary])),
        KEY.sign(valid_claims(exp=canary)),
        KEY.sign(f'{{"{canary}": 1, "{canary}": 2}}'),
        KEY.sign(canary),
    ]
    for token in broken:
        refusal = await refusal_of(verifier_of(KEY), token)
        said = texts_of(refusal)
        assert "canary" not in said
        assert segment("canary")[:7] not in said
        assert len(str(refusal)) < 1024
        assert refusal.__cause__ is None
        assert refusal.__context__ is None


@pytest.mark.security("JW-29")
@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, RecursionError, OverflowError, MemoryError, AttributeError])
async def test_errors_of_python_become_refusals(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect met by a hostile token denies it, says nothing of it, and is counted."""

    def broken(_: str) -> None:
        raise error("canary")

    monkeypatch.setattr(verifier_module, "read", broken)
    verifier = verifier_of(KEY)
    refusal = await refusal_of(verifier, "a.b.c")
    assert (refusal.reason, "canary" in texts_of(refusal)) == ("internal", False)
    assert verifier.stats().refused["internal"] == 1


@pytest.mark.security("JW-29")
@pytest.mark.parametrize("value", [None, b"a.b.c", 5, ["a.b.c"], {"a": 1}])
async def test_what_is_no_text_is_refused(value: Any) -> None:
    """A caller's mistake in the type lets nothing through."""
    assert (await refusal_of(verifier_of(KEY), value)).reason == "internal"


@pytest.mark.security("JW-09", "JW-29")
async def test_a_deep_payload_with_a_right_signature_is_refused() -> None:
    """The issuer's signature under twenty thousand brackets brings no RecursionError; their size stops them, fewer their depth."""
    deep = '{"sub":' + "[" * 20_000 + "]" * 20_000 + "}"
    assert (await refusal_of(verifier_of(KEY), KEY.sign(deep))).reason == "size"
    assert (await refusal_of(verifier_of(KEY), KEY.sign('{"sub":' + "[" * 5000 + "]" * 5000 + "}"))).reason == "payload"


@pytest.mark.security("JW-22")
async def test_a_flood_never_delays_a_good_token(clock: StoppedClock) -> None:
    """While a thousand tokens with random kids wait for the provider, a good one, seen before or not, waits for nothing."""
    provider = FakeProvider(KEY)
    verifier = provided(provider, clock)
    await verifier.verify(KEY.sign())
    provider.open.clear()
    flood = [asyncio.ensure_future(verifier.verify(KEY.sign(kid=f"random-{number}"))) for number in range(1000)]
    for _ in range(5):
        await asyncio.sleep(0)
    for token in (KEY.sign(), KEY.sign(valid_claims(jti="new"))):
        verification = verifier.verify(token)
        with pytest.raises(StopIteration):
            verification.send(None)
    provider.open.set()
    assert {type(outcome) for outcome in await asyncio.gather(*flood, return_exceptions=True)} == {TokenInvalid}
    assert provider.key_fetches == 2
    assert verifier.stats().refused["unknown_key"] == 1000


def test_each_request_may_have_a_loop_of_its_own(clock: StoppedClock) -> None:
    """A test client without lifespan opens a loop for every request."""
    provider = FakeProvider(KEY)
    verifier = provided(provider, clock, cache_size=0)
    for _ in range(3):
        provider.open = asyncio.Event()
        provider.open.set()
        clock.advance(250)
        assert asyncio.run(verifier.verify(KEY.sign(valid_claims(exp=NOW + 3600)))).subject == "user-1"


async def test_accepted_tokens_leave_no_cycle_behind() -> None:
    """Neither verification nor refusal gives the garbage collector anything to do."""
    verifier = verifier_of(KEY, cache_size=4)
    good = [KEY.sign(valid_claims(jti=str(number))) for number in range(20)]
    bad = [token[:-4] + "AAAA" for token in good]
    await verifier.verify(good[0])
    gc.collect()
    gc.disable()
    try:
        for token in good:
            await verifier.verify(token)
        assert gc.collect() == 0
        for token in bad:
            try:
                await verifier.verify(token)
            except TokenError:
                continue
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_making_a_verifier_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No task, no connection, no look at the environment: what is wrong is said by problems, and used only once started."""
    provider = FakeProvider(KEY)
    verifier: TokenVerifier = JWTVerifier(ISSUER, audience=AUDIENCE, fetch=provider.fetch)
    assert (verifier.issuer, verifier.problems(), provider.requests) == (ISSUER, [], [])
    assert repr(verifier) == f"JWTVerifier('{ISSUER}')"


async def test_policies_reach_the_checks(clock: StoppedClock) -> None:
    """Leeway and lifetime are those of the policy, the age of keys too."""
    provider = FakeProvider(KEY)
    policies = {"claims": ClaimsPolicy(leeway=0, max_lifetime=100), "keys": KeyPolicy(max_age=50, stale_ceiling=50)}
    verifier = provided(provider, clock, **policies)
    assert (await refusal_of(verifier, KEY.sign(valid_claims(exp=NOW + 101)))).reason == "lifetime"
    assert (await refusal_of(verifier, KEY.sign(valid_claims(exp=NOW)))).reason == "expired"
    clock.advance(50)
    provider.failure = OSError()
    with pytest.raises(KeysUnavailable):
        await verifier.verify(KEY.sign(valid_claims(exp=NOW + 100)))
