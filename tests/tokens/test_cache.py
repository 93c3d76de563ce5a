"""The memory of verified tokens."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens import JWTVerifier, KeyPolicy, VerifiedToken
from asgi_session.tokens.cache import VerifiedTokens
from tests.tokens.parts import AUDIENCE, ISSUER, NOW, FakeProvider, SigningKey, StoppedClock, valid_claims, verifier_of

KEY = SigningKey("EdDSA")


@pytest.mark.security("JW-26")
async def test_a_verified_token_is_known_again(clock: StoppedClock) -> None:
    """The second sight costs no signature, and gives the very same object; whoever asks for a full look gets one."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign()
    assert verifier.cached(token) is None
    verified = await verifier.verify(token)
    assert verifier.cached(token) is verified
    stats = verifier.stats()
    assert (stats.signatures, stats.accepted, stats.hits, stats.cached) == (1, 1, 1, 1)
    again = await verifier.verify(token)
    assert verifier.cached(token) is again
    stats = verifier.stats()
    assert (stats.signatures, stats.accepted, stats.hits, stats.cached) == (2, 2, 2, 1)


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
    """Long-lived tokens are checked again, also where the clock was set back, and however long the caller would wait."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign(valid_claims(exp=NOW + 3600))
    await verifier.verify(token)
    clock.advance(299)
    assert verifier.cached(token) is not None
    clock.wall -= 200
    clock.steady += 1
    assert verifier.cached(token, None, 3600.0) is None
    assert verifier.stats().cached == 0


@pytest.mark.security("JW-26")
async def test_memory_is_as_old_as_the_caller_allows(clock: StoppedClock) -> None:
    """A verdict is as old as its last full look, not its last use."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign()
    await verifier.verify(token)
    for _ in range(6):
        clock.advance(9)
        assert verifier.cached(token, None, 60.0)
    clock.advance(6)
    assert verifier.cached(token, None, 60.0) is None
    assert verifier.cached(token, None, 61.0)
    assert verifier.cached(token, None, 0.0) is None
    await verifier.verify(token)
    assert verifier.cached(token, None, 60.0)


OWNER = (b"Firefox/140.0", b"en", b"gzip", "198.51.100.7")


@pytest.mark.security("JW-26")
@pytest.mark.parametrize("at", range(len(OWNER)))
async def test_a_verdict_is_bound_to_its_context(clock: StoppedClock, at: int) -> None:
    """Whoever differs in one thing is unknown, until looked at; then the former owner is (design rule 9)."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign()
    elsewhere = (*OWNER[:at], OWNER[at][:-1], *OWNER[at + 1 :])
    await verifier.verify(token, OWNER)
    assert verifier.cached(token, elsewhere) is None
    assert verifier.cached(token) is None
    assert verifier.cached(token, OWNER)
    await verifier.verify(token, elsewhere)
    assert verifier.cached(token, OWNER) is None
    assert verifier.cached(token, elsewhere)
    assert verifier.stats().cached == 1


@pytest.mark.security("JW-26")
async def test_what_a_full_look_refuses_is_forgotten(clock: StoppedClock) -> None:
    """A clock that was set: a token which is not valid yet is not served from memory either."""
    verifier = verifier_of(KEY, clock=clock)
    token = KEY.sign(valid_claims(nbf=NOW))
    await verifier.verify(token)
    clock.wall -= 100
    with pytest.raises(TokenInvalid):
        await verifier.verify(token)
    assert verifier.cached(token) is None
    assert verifier.stats().cached == 0


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


async def test_memory_is_bounded_by_bytes_too(clock: StoppedClock) -> None:
    """Long tokens push out what was used least recently; one that is too long for all of it pushes out nothing."""
    verifier = verifier_of(KEY, clock=clock, cache_bytes=400_000)
    small = KEY.sign(valid_claims(jti="small"))
    await verifier.verify(small)
    long = [KEY.sign(valid_claims(jti=name, more="x" * 9000)) for name in "abc"]
    assert all(len(token) > 12_000 for token in long)
    await verifier.verify(long[0])
    assert verifier.cached(small)
    await verifier.verify(long[1])
    assert [verifier.cached(token) is not None for token in (small, *long)] == [True, False, True, False]
    narrow = verifier_of(KEY, clock=clock, cache_bytes=100_000)
    for token in (small, long[0]):
        await narrow.verify(token)
    assert [narrow.cached(token) is not None for token in (small, long[0])] == [True, False]


def test_bytes_are_given_back() -> None:
    """By whatever an entry ends: another one in its place, its expiry, a refusal, new keys."""
    clock = StoppedClock()
    memory = VerifiedTokens(10, clock)
    verified = VerifiedToken(ISSUER, "user-1", {}, expires_at=NOW + 10)

    def put(context: tuple[bytes, ...] = ()) -> int:
        memory.put("token", 0, verified, context)
        return memory.used_bytes

    size = put()
    assert size > 0
    assert put((b"x" * 100,)) == size + 100
    assert put() == size
    memory.forget("token")
    memory.forget("token")
    assert memory.used_bytes == 0
    put()
    assert memory.get("token", 1, (), 60) is None
    assert memory.used_bytes == 0
    memory.put("token", 1, verified, ())
    clock.advance(10)
    assert memory.get("token", 1, (), 60) is None
    assert (memory.used_bytes, len(memory)) == (0, 0)


def usual(number: int) -> dict[str, Any]:
    """As Keycloak issues them."""
    clients = {"api": {"roles": ["reader", "writer"]}, "account": {"roles": ["manage-account", "view-profile"]}}
    return {"realm_access": {"roles": ["offline_access", f"role-{number}"]}, "resource_access": clients, "name": f"Ann {number}"}


SHAPES: dict[str, tuple[Callable[[int], dict[str, Any]], float]] = {
    "the least": (lambda number: {"jti": None, "sid": None, "azp": None, "scope": None}, 4.0),
    "usual": (usual, 4.0),
    "scopes": (lambda number: {"scope": " ".join(f"{at:x}{number}" for at in range(1000))}, 4.0),
    "roles": (lambda number: {"realm_access": {"roles": [str(100 + at) for at in range(900)]}}, 4.0),
    "clients": (lambda number: {"resource_access": {str(100 + at): {"roles": ["a"]} for at in range(300)}}, 4.0),
    "text": (lambda number: {"more": f"{number}" + "x" * 11_000}, 25.0),
    "text beyond Latin": (lambda number: {"more": f"{number}" + "€" + "x" * 11_000}, 25.0),
    "numbers": (lambda number: {"more": [1000 + at for at in range(1500)]}, 4.0),
}


@pytest.mark.lengthy
@pytest.mark.parametrize("shape", SHAPES)
async def test_the_estimate_is_no_lower_than_the_truth(clock: StoppedClock, shape: str) -> None:
    """``cache_bytes`` is a promise for whatever an issuer puts into its tokens."""
    claims, most = SHAPES[shape]
    verifier = verifier_of(KEY, clock=clock)

    async def verify_one(number: int) -> None:
        context = (f"Mozilla/5.0 {number}".encode(), f"en-US,{number}".encode(), f"gzip,{number}".encode(), f"198.51.{number}.0/24")
        await verifier.verify(KEY.sign(valid_claims(**{"sub": f"user-{number}", **claims(number)})), context)

    await verify_one(0)
    gc.collect()
    tracemalloc.start()
    for number in range(1, 101):
        await verify_one(number)
    gc.collect()
    measured, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verifier._ready is not None
    assert measured / 100 <= verifier._ready.cache.used_bytes / 101 <= most * measured / 100


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
    assert memory.get("token", 2, None, 60) is None
    memory.put("token", 1, verified, None)
    assert memory.get("token", 2, None, 60) is None
    memory.put("token", 2, verified, None)
    assert memory.get("token", 2, None, 60) is verified
    assert memory.get("token", 3, None, 60) is None
    assert len(memory) == 0
