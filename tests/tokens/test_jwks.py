"""Keys that age: fetched once for all who wait, kept while the provider is away, never in the way of a good token."""

import asyncio
import contextlib
import contextvars
import gc
import logging
from collections.abc import Awaitable, Callable

import pytest

from asgi_session.exceptions import KeysUnavailable, TokenInvalid
from asgi_session.tokens.algorithms import ASYMMETRIC
from asgi_session.tokens.fetch import FetchFailed
from asgi_session.tokens.jwks import MAX_ABSENT, RemoteKeys
from asgi_session.tokens.keys import KeyRing, import_keys
from asgi_session.tokens.policies import KeyPolicy
from tests.tokens.parts import SigningKey, StoppedClock

OLD, NEW = SigningKey("EdDSA", "old"), SigningKey("EdDSA", "new", number=1)
POLICY = KeyPolicy(max_age=600, stale_ceiling=3600, cooldown=30, fetch_timeout=5)


def ring_of(*keys: SigningKey) -> KeyRing:
    """A published set."""
    return import_keys([key.public() for key in keys], ASYMMETRIC).ring


class Downloads:
    """A provider reduced to its key set."""

    def __init__(self, *keys: SigningKey) -> None:
        self.ring = ring_of(*keys)
        self.count = 0
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> KeyRing:
        self.count += 1
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return self.ring


class Sleeper:
    """Sleeps that end when the test lets the clock pass them."""

    def __init__(self, clock: StoppedClock) -> None:
        self._clock = clock
        self._asleep = asyncio.Event()
        self._wake = asyncio.Event()
        self.asked: float = 0

    async def __call__(self, seconds: float) -> None:
        self.asked = seconds
        self._asleep.set()
        await self._wake.wait()
        self._wake.clear()

    async def settled(self) -> float:
        """Wait until the refresh sleeps, and say for how long it means to."""
        await self._asleep.wait()
        return self.asked

    async def pass_by(self) -> float:
        """Let the sleep end, and wait for the next one."""
        await self.settled()
        self._asleep.clear()
        self._clock.advance(self.asked)
        self._wake.set()
        return await self.settled()


def keys_of(downloads: Callable[[], Awaitable[KeyRing]], clock: StoppedClock, *, policy: KeyPolicy = POLICY) -> RemoteKeys:
    """Keys whose refresh falls due at 7/10 of their age."""
    return RemoteKeys(downloads, policy, clock, jitter=lambda: 0.0)


async def turns() -> None:
    """Let every task do what it can without waiting for anything else."""
    for _ in range(20):
        await asyncio.sleep(0)


async def refusal_of(keys: RemoteKeys, kid: str | None) -> str:
    """Why a kid gives no key."""
    with pytest.raises(TokenInvalid) as caught:
        await keys.find("EdDSA", kid)
    return caught.value.reason


@pytest.mark.security("JW-22", "AV-06")
async def test_all_who_wait_share_one_fetch(clock: StoppedClock) -> None:
    """A thousand first requests are one request to the provider."""
    downloads = Downloads(OLD)
    downloads.open.clear()
    keys = keys_of(downloads, clock)
    waiting = [asyncio.ensure_future(keys.find("EdDSA", "old")) for _ in range(1000)]
    await turns()
    downloads.open.set()
    found = await asyncio.gather(*waiting)
    assert {key.key_id for key in found} == {"old"}
    assert downloads.count == 1


@pytest.mark.security("JW-22")
async def test_a_waiter_that_goes_away_does_not_take_the_fetch_along(clock: StoppedClock) -> None:
    """The client who began the fetch disconnects; the others get their keys."""
    downloads = Downloads(OLD)
    downloads.open.clear()
    keys = keys_of(downloads, clock)
    first, second = (asyncio.ensure_future(keys.find("EdDSA", "old")) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert first.cancelled()
    downloads.open.set()
    assert (await second).key_id == "old"
    assert downloads.count == 1


async def test_a_fetch_carries_nothing_of_the_request_that_began_it(clock: StoppedClock) -> None:
    """Context variables (a trace, a tenant) of one request don't leak into what all share."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody")
    seen: list[str] = []

    async def download() -> KeyRing:
        seen.append(variable.get())
        return ring_of(OLD)

    variable.set("somebody")
    await keys_of(download, clock).find("EdDSA", "old")
    assert seen == ["nobody"]


async def test_young_keys_are_used_without_asking(clock: StoppedClock) -> None:
    """Until the refresh is due nothing is fetched."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    clock.advance(419)
    assert keys.ring() is downloads.ring
    await turns()
    assert (downloads.count, keys.generation) == (1, 1)


async def test_a_refresh_that_is_due_happens_beside_the_requests(clock: StoppedClock) -> None:
    """Between due and old, requests go on with what is there."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.open.clear()
    downloads.ring = ring_of(OLD, NEW)
    clock.advance(420)
    assert (await keys.find("EdDSA", "old")).key_id == "old"
    await turns()
    assert (downloads.count, keys.generation) == (2, 1)
    downloads.open.set()
    await turns()
    assert keys.ring() is downloads.ring
    assert keys.generation == 2


async def test_the_same_keys_again_are_no_change(clock: StoppedClock) -> None:
    """A refresh that brings the same set keeps the generation, and with it every remembered token."""
    downloads = Downloads(OLD, NEW)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.ring = ring_of(NEW, OLD)
    clock.advance(600)
    await keys.find("EdDSA", "old")
    assert (downloads.count, keys.generation, keys.health().age) == (2, 1, 0)


@pytest.mark.security("JW-23")
async def test_a_withdrawn_key_stops_at_max_age(clock: StoppedClock) -> None:
    """Without any background task: at that age no request goes on with the old set."""
    downloads = Downloads(OLD, NEW)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.ring = ring_of(NEW)
    downloads.open.clear()
    clock.advance(600)
    assert keys.ring() is None
    waiting = asyncio.ensure_future(keys.find("EdDSA", "old"))
    await turns()
    downloads.open.set()
    with pytest.raises(TokenInvalid) as caught:
        await waiting
    assert caught.value.reason == "unknown_key"
    assert (await keys.find("EdDSA", "new")).key_id == "new"


@pytest.mark.security("JW-24", "AV-05")
@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (FetchFailed("status"), "status"),
        (FetchFailed("no_usable_key"), "no_usable_key"),
        (TimeoutError(), "timeout"),
        (OSError("secret"), "OSError"),
    ],
)
async def test_the_last_good_set_serves_while_the_provider_is_away(
    failure: Exception, code: str, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Up to the ceiling no request fails or waits; each use of stale keys is counted; the outage is said once, and its end."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.failure = failure
    with caplog.at_level(logging.INFO, "asgi_session.tokens"):
        clock.advance(420)
        for _ in range(105):
            assert (await keys.find("EdDSA", "old")).key_id == "old"
            await turns()
            clock.advance(30)
        assert keys.health().age == 3570
        assert (await keys.find("EdDSA", "old")).key_id == "old"
        clock.advance(30)
        with pytest.raises(KeysUnavailable, match=code) as caught:
            await keys.find("EdDSA", "old")
        assert 1 <= caught.value.retry_after <= 37.5
        downloads.failure = None
        clock.advance(38)
        assert (await keys.find("EdDSA", "old")).key_id == "old"
    health = keys.health()
    assert health.last_error is None
    assert health.failures == health.fetches - 2
    assert health.stale_uses == 100
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


@pytest.mark.security("JW-24")
async def test_while_the_provider_hangs_only_the_first_request_waits(clock: StoppedClock) -> None:
    """Once a fetch has failed, later attempts happen beside the requests."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    clock.advance(600)
    downloads.failure = FetchFailed("connect")
    assert (await keys.find("EdDSA", "old")).key_id == "old"
    downloads.open.clear()
    clock.advance(60)
    found = keys.find("EdDSA", "old")
    with pytest.raises(StopIteration):
        found.send(None)
    await turns()
    assert downloads.count == 3
    await keys.stop()


@pytest.mark.security("JW-23")
async def test_an_outage_long_ago_excuses_nothing(clock: StoppedClock) -> None:
    """After a failure an hour of silence follows: the provider has to be asked again before its old keys are believed."""
    downloads = Downloads(OLD, NEW)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.failure = FetchFailed("connect")
    clock.advance(420)
    keys.ring()
    await turns()
    downloads.failure = None
    downloads.ring = ring_of(NEW)
    clock.advance(300)
    assert await refusal_of(keys, "old") == "unknown_key"


async def test_without_any_keys_everything_is_unavailable(clock: StoppedClock) -> None:
    """A provider that was never reached says nothing about a token; it is asked again with growing pauses."""
    downloads = Downloads(OLD)
    downloads.failure = FetchFailed("connect")
    keys = keys_of(downloads, clock)
    for expected in (1, 2, 2, 3, 3):
        with pytest.raises(KeysUnavailable, match="connect"):
            await keys.find("EdDSA", "old")
        assert downloads.count == expected
        clock.advance(0.76)
    downloads.failure = None
    clock.advance(5)
    assert (await keys.find("EdDSA", "old")).key_id == "old"
    assert keys.health().last_error is None


@pytest.mark.security("JW-23")
async def test_a_new_kid_works_at_first_sight(clock: StoppedClock) -> None:
    """Right after the start, too: the cool-down counts looks for unknown kids, not refreshes by age."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.ring = ring_of(OLD, NEW)
    assert (await keys.find("EdDSA", "new")).key_id == "new"
    assert (downloads.count, keys.generation) == (2, 2)


@pytest.mark.security("JW-22")
async def test_a_flood_of_unknown_kids_is_one_fetch_a_cooldown(clock: StoppedClock) -> None:
    """Ten thousand names, at once and one by one, over three cool-downs: three fetches, and known kids never notice."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    for cooldown in range(3):
        downloads.open.clear()
        flood = [asyncio.ensure_future(keys.find("EdDSA", f"{cooldown}-{number}")) for number in range(1000)]
        await turns()
        found = keys.find("EdDSA", "old")
        with pytest.raises(StopIteration):
            found.send(None)
        downloads.open.set()
        outcomes = await asyncio.gather(*flood, return_exceptions=True)
        assert {getattr(outcome, "reason", outcome) for outcome in outcomes} == {"unknown_key"}
        for number in range(2400):
            assert await refusal_of(keys, f"late-{cooldown}-{number}") == "unknown_key"
        assert downloads.count == 2 + cooldown
        clock.advance(30)


@pytest.mark.security("JW-22")
async def test_an_unknown_kid_gives_way_to_others(clock: StoppedClock) -> None:
    """What was looked for and not found is not looked for in the next cool-down; another name is."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    assert await refusal_of(keys, "absent") == "unknown_key"
    clock.advance(30)
    assert await refusal_of(keys, "absent") == "unknown_key"
    assert downloads.count == 2
    downloads.ring = ring_of(OLD, NEW)
    assert (await keys.find("EdDSA", "new")).key_id == "new"
    clock.advance(30)
    assert await refusal_of(keys, "absent") == "unknown_key"
    assert downloads.count == 4


@pytest.mark.security("JW-22")
async def test_memory_of_unknown_kids_is_bounded(clock: StoppedClock) -> None:
    """However long a flood lasts, few names are kept."""
    downloads = Downloads(OLD)
    policy = KeyPolicy(cooldown=1)
    keys = keys_of(downloads, clock, policy=policy)
    await keys.find("EdDSA", "old")
    for number in range(MAX_ABSENT + 10):
        assert await refusal_of(keys, f"absent-{number}") == "unknown_key"
        assert len(keys._absent) <= MAX_ABSENT
        clock.advance(1)


async def test_a_kid_that_comes_while_a_fetch_runs_waits_for_it(clock: StoppedClock) -> None:
    """The fetch under way may bring it; if not, there is still a look of its own."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    clock.advance(420)
    downloads.open.clear()
    keys.ring()
    await turns()
    downloads.ring = ring_of(OLD, NEW)
    waiting = asyncio.ensure_future(keys.find("EdDSA", "new"))
    absent = asyncio.ensure_future(refusal_of(keys, "absent"))
    await turns()
    downloads.open.set()
    assert (await waiting).key_id == "new"
    assert await absent == "unknown_key"
    assert downloads.count == 3


@pytest.mark.security("JW-22", "JW-24")
async def test_an_unknown_kid_while_the_provider_is_away_is_unavailable(clock: StoppedClock) -> None:
    """Nobody can say that the issuer does not have the key; in the cool-down after that neither."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.failure = FetchFailed("status")
    for _ in range(2):
        with pytest.raises(KeysUnavailable, match="status"):
            await keys.find("EdDSA", "new")
    assert downloads.count == 2
    assert (await keys.find("EdDSA", "old")).key_id == "old"


async def test_a_token_without_kid_may_make_us_look(clock: StoppedClock) -> None:
    """No key for its algorithm: the issuer may have made one."""
    keys = keys_of(Downloads(OLD), clock)
    assert (await keys.find("EdDSA", None)).key_id == "old"
    with pytest.raises(TokenInvalid) as caught:
        await keys.find("ES256", None)
    assert caught.value.reason == "unknown_key"


@pytest.mark.security("JW-23", "AV-06")
async def test_keys_are_refreshed_in_the_background(clock: StoppedClock) -> None:
    """Once started: fetched at once, then before they grow old, with pauses while that fails; a stop leaves nothing."""
    before = asyncio.all_tasks()
    downloads = Downloads(OLD)
    sleeper = Sleeper(clock)
    keys = RemoteKeys(downloads, POLICY, clock, sleep=sleeper, jitter=lambda: 1.0)
    await keys.start()
    await keys.start()
    assert await sleeper.settled() == pytest.approx(0.85 * 600)
    downloads.ring = ring_of(NEW)
    assert await sleeper.pass_by() == pytest.approx(0.85 * 600)
    assert keys.ring() is downloads.ring
    downloads.failure = FetchFailed("connect")
    pauses = [await sleeper.pass_by() for _ in range(8)]
    assert pauses == pytest.approx([1.25, 2.5, 5, 10, 20, 37.5, 37.5, 37.5])
    downloads.failure = None
    assert await sleeper.pass_by() == pytest.approx(0.85 * 600)
    assert downloads.count == 11
    await keys.stop()
    assert asyncio.all_tasks() == before
    await keys.stop()


@pytest.mark.security("AV-09")
async def test_start_waits_for_nobody(clock: StoppedClock) -> None:
    """A provider that is down, or hangs, does not hold up the application; stop ends what hangs."""
    before = asyncio.all_tasks()
    downloads = Downloads(OLD)
    downloads.open.clear()
    keys = keys_of(downloads, clock)
    await keys.start()
    await turns()
    assert (downloads.count, keys.ring()) == (1, None)
    waiting = asyncio.ensure_future(keys.find("EdDSA", "old"))
    await turns()
    await keys.stop()
    with pytest.raises(KeysUnavailable, match="no answer yet"):
        await waiting
    assert asyncio.all_tasks() == before


@pytest.mark.security("JW-22")
async def test_a_look_that_a_stop_interrupts_proves_nothing(clock: StoppedClock) -> None:
    """The kid was not refuted, so its token is not called invalid."""
    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    await keys.find("EdDSA", "old")
    downloads.open.clear()
    waiting = asyncio.ensure_future(keys.find("EdDSA", "new"))
    await turns()
    await keys.stop()
    with pytest.raises(KeysUnavailable):
        await waiting


async def test_refreshes_of_many_workers_spread_out(clock: StoppedClock) -> None:
    """The moment is drawn at random between 70 and 85 hundredths of the age."""
    due = set()
    for _ in range(50):
        keys = RemoteKeys(Downloads(OLD), POLICY, clock)
        await keys.find("EdDSA", "old")
        due.add(keys._due_at - clock.monotonic())
    assert len(due) > 40
    assert all(420 <= moment <= 510 for moment in due)


def test_each_request_may_have_a_loop_of_its_own(clock: StoppedClock) -> None:
    """As with a test client without lifespan: what a closed loop left behind is forgotten, also in the middle of a fetch."""

    async def first() -> RemoteKeys:
        downloads.open.clear()
        assert keys.ring() is None
        await turns()
        return keys

    async def second() -> None:
        downloads.open = asyncio.Event()
        downloads.open.set()
        assert (await keys.find("EdDSA", "old")).key_id == "old"

    async def third() -> None:
        clock.advance(420)
        assert (await keys.find("EdDSA", "old")).key_id == "old"
        assert (await keys.find("EdDSA", "old")).key_id == "old"

    downloads = Downloads(OLD)
    keys = keys_of(downloads, clock)
    for story in (first(), second(), third()):
        asyncio.run(story)
    assert downloads.count == 3
    clock.advance(1000)
    assert keys.ring() is None
    asyncio.run(keys.stop())


async def test_a_refusal_leaves_no_cycle_behind(clock: StoppedClock) -> None:
    """Errors on the way of a request are freed with it, without the garbage collector."""
    keys = keys_of(Downloads(OLD), clock)
    await keys.find("EdDSA", "old")
    await refusal_of(keys, "absent")
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            with contextlib.suppress(TokenInvalid):
                await keys.find("EdDSA", f"absent-{number}")
        assert gc.collect() == 0
    finally:
        gc.enable()
