"""The memory of verified tokens."""

import pytest

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens import JWTVerifier, KeyPolicy
from asgi_session.tokens.cache import VerifiedTokens
from tests.tokens.parts import AUDIENCE, ISSUER, NOW, FakeProvider, SigningKey, StoppedClock, valid_claims, verifier_of

KEY = SigningKey("EdDSA")


@pytest.mark.security("JW-26")
async def test_a_verified_token_is_known_again(clock: StoppedClock) -> None:
    """The second sight costs no signature, and gives the very same object."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign()
    assert verifier.cached(token) is None
    verified = await verifier.verify(token)
    assert verifier.cached(token) is verified
    assert await verifier.verify(token) is verified
    stats = verifier.stats()
    assert (stats.signatures, stats.accepted, stats.hits, stats.cached) == (1, 1, 2, 1)


@pytest.mark.security("JW-26")
async def test_a_token_changed_by_one_bit_is_another(clock: StoppedClock) -> None:
    """No bit of a token can be flipped without losing its place in the memory."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign()
    await verifier.verify(token)
    raw = token.encode()
    for index in range(len(raw)):
        for bit in range(7):
            flipped = raw[:index] + bytes([raw[index] ^ (1 << bit)]) + raw[index + 1 :]
            assert verifier.cached(flipped.decode("latin-1")) is None


@pytest.mark.security("JW-26")
async def test_memory_ends_with_the_token(clock: StoppedClock) -> None:
    """At its expiry it is forgotten to the second, without the leeway of a full check."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign(valid_claims(exp=NOW + 60))
    await verifier.verify(token)
    clock.advance(59)
    assert verifier.cached(token) is not None
    clock.advance(1)
    assert verifier.cached(token) is None
    assert verifier.stats().cached == 0
    assert await verifier.verify(token)
    assert verifier.cached(token) is None


@pytest.mark.security("JW-26")
async def test_memory_lasts_five_minutes_whatever_the_wall_clock_does(clock: StoppedClock) -> None:
    """Long-lived tokens are checked again, also where the clock was set back."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign(valid_claims(exp=NOW + 3600))
    await verifier.verify(token)
    clock.advance(299)
    assert verifier.cached(token) is not None
    clock.wall -= 200
    clock.steady += 1
    assert verifier.cached(token) is None


@pytest.mark.security("JW-26")
async def test_refused_tokens_are_not_remembered(clock: StoppedClock) -> None:
    """What was refused is judged anew each time: it may be good later, and a flood fills no memory."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign(valid_claims(nbf=NOW + 100))
    with pytest.raises(TokenInvalid):
        await verifier.verify(token)
    assert verifier.stats().cached == 0
    clock.advance(100)
    assert await verifier.verify(token)


async def test_memory_is_bounded_and_forgets_the_least_recently_used(clock: StoppedClock) -> None:
    """With room for two, the third token takes the place of the one that nobody asked for."""
    verifier = verifier_of(KEY, clock=clock, cache_size=2)
    first, second, third = (KEY.sign(valid_claims(jti=name)) for name in "abc")
    await verifier.verify(first)
    await verifier.verify(second)
    assert verifier.cached(first)
    await verifier.verify(third)
    assert [verifier.cached(token) is not None for token in (first, second, third)] == [True, False, True]


async def test_memory_can_be_switched_off(clock: StoppedClock) -> None:
    """Size 0 keeps nothing."""
    verifier = verifier_of(KEY, clock=clock, cache_size=0)
    await verifier.verify(KEY.sign())
    assert verifier.cached(KEY.sign()) is None


@pytest.mark.security("JW-26")
async def test_withdrawn_key_takes_its_tokens_along(clock: StoppedClock) -> None:
    """A token whose key left the set is forgotten at that refresh, also if it was verified a moment before."""
    old, new = SigningKey("EdDSA", "old"), SigningKey("EdDSA", "new", number=1)
    provider = FakeProvider(old, new)
    policy = KeyPolicy(max_age=100)
    verifier = JWTVerifier(ISSUER, audience=AUDIENCE, keys=policy, clock=clock, fetch=provider.fetch)
    await verifier.verify(old.sign())
    provider.entries = [new.public()]
    clock.advance(100)
    assert verifier.cached(old.sign()) is None
    with pytest.raises(TokenInvalid) as caught:
        await verifier.verify(old.sign())
    assert caught.value.reason == "unknown_key"
    assert verifier.stats().cached == 0


@pytest.mark.security("JW-26")
async def test_a_token_verified_while_the_keys_changed_is_not_remembered(clock: StoppedClock) -> None:
    """What was verified with the former set belongs to the former generation."""
    verified = await verifier_of(KEY, clock=clock).verify(KEY.sign())
    memory = VerifiedTokens(10, clock)
    assert memory.get("token", generation=2) is None
    memory.put("token", 1, verified)
    assert memory.get("token", generation=2) is None
    memory.put("token", 2, verified)
    assert memory.get("token", generation=2) is verified
    assert memory.get("token", generation=3) is None
    assert len(memory) == 0
