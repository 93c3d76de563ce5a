"""An issuer's keys, kept fresh: one fetch for all who wait, and no good token ever waits for a bad one (JW-22 to JW-24, AV-05).

Age of the set:  0 ───── due (≈ ¾ of max_age, drawn at random) ───── max_age ───────────────────── stale_ceiling
A request:       uses it │ uses it; a refresh begins beside it       │ waits for the refresh;       │ KeysUnavailable
                         │                                           │ uses it if that failed       │

A token that names a key outside the set causes at most one fetch per cool-down, whoever asks; tokens whose key is known never
notice.

State: only ``_attempt`` changes the set and what is known about the last attempt, in one step without an await, and at most
one attempt runs. An attempt that is cancelled (its loop ended) changes nothing, and whoever comes next begins another. The
event loop may be a new one at every call, as with a test client that has no lifespan: an attempt on a loop that is gone counts
as ended.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from random import SystemRandom
from typing import Any, NoReturn, TypeGuard

from ..clock import Clock
from ..exceptions import KeysUnavailable
from .fetch import FetchFailed
from .health import KeysHealth
from .keys import KeyRing, VerificationKey
from .policies import KeyPolicy
from .refusals import refused

_RANDOM = SystemRandom()
_log = logging.getLogger("asgi_session.tokens")

MAX_ABSENT = 256
"""Names of unknown keys that are remembered; more of them only bring the next fetch forward to the end of the cool-down."""


class RemoteKeys:
    """The keys that ``download`` gives, as old as ``policy`` allows."""

    def __init__(
        self,
        download: Callable[[], Awaitable[KeyRing]],
        policy: KeyPolicy,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._download = download
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._ring: KeyRing | None = None
        self._fetched_at = self._due_at = self._old_at = self._dead_at = float("-inf")
        self._retry_at = self._look_at = self._excused_until = float("-inf")
        self._absent: dict[str | None, float] = {}
        self._attempt_task: asyncio.Task[None] | None = None
        self._timer_task: asyncio.Task[None] | None = None
        self._last_error: str | None = None
        self._consecutive_failures = 0
        self._fetches = self._successes = self._failures = self._stale_uses = 0
        self.generation = 0

    async def start(self) -> None:
        """Fetch now and then by age, beside the requests. Returns at once."""
        if not _runs_here(self._timer_task):
            self._timer_task = _spawn(self._keep_fresh)

    async def stop(self) -> None:
        """Leave no task behind. The keys stay, and would be refreshed by whoever asks for one."""
        tasks = [task for task in (self._timer_task, self._attempt_task) if _runs_here(task)]
        self._timer_task = self._attempt_task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ring(self) -> KeyRing | None:
        """The set that may be used without waiting, or None. Begins a refresh where one is due."""
        now = self._clock.monotonic()
        if now < self._due_at:
            return self._ring
        if now >= self._retry_at:
            self._begin()
        return self._usable(now)

    async def find(self, algorithm: str, key_id: str | None) -> VerificationKey:
        """The key for a token, waiting only where nothing else can help.

        Raises:
            TokenInvalid: ``unknown_key``, ``key_mismatch`` or ``key_ambiguous``.
            KeysUnavailable: the issuer can't be asked.
        """
        ring = self.ring()
        if ring is None:
            await _ended(self._attempt_task)
            ring = self._usable(self._clock.monotonic())
            if ring is None:
                self._unavailable()
        return ring.find(algorithm, key_id) or await self._look_for(algorithm, key_id)

    def health(self) -> KeysHealth:
        """How the keys are just now."""
        return KeysHealth(
            keys=0 if self._ring is None else len(self._ring),
            age=None if self._ring is None else self._clock.monotonic() - self._fetched_at,
            generation=self.generation,
            last_error=self._last_error,
            fetches=self._fetches,
            failures=self._failures,
            stale_uses=self._stale_uses,
        )

    def _usable(self, now: float) -> KeyRing | None:
        if now < self._old_at:
            return self._ring
        if now < self._dead_at and now < self._excused_until:
            self._stale_uses += 1
            return self._ring
        return None

    async def _look_for(self, algorithm: str, key_id: str | None) -> VerificationKey:
        """A key outside the set: the issuer may have made it since."""
        if _runs_here(self._attempt_task):
            await _ended(self._attempt_task)
            key = self._known(algorithm, key_id)
            if key is not None:
                return key
        now = self._clock.monotonic()
        if now < self._look_at or now < self._absent.get(key_id, now):
            self._still_unknown()
        self._look_at = now + self._policy.cooldown
        looks = self._successes
        await _ended(self._begin())
        if self._successes == looks:
            self._unavailable()
        key = self._known(algorithm, key_id)
        if key is None:
            self._remember_absent(key_id, now)
            raise refused("unknown_key")
        return key

    def _known(self, algorithm: str, key_id: str | None) -> VerificationKey | None:
        return None if self._ring is None else self._ring.find(algorithm, key_id)

    def _remember_absent(self, key_id: str | None, now: float) -> None:
        """Leave the next look to other names: this one gets none for two cool-downs."""
        if len(self._absent) >= MAX_ABSENT:
            self._absent.clear()
        self._absent[key_id] = now + 2 * self._policy.cooldown

    def _still_unknown(self) -> NoReturn:
        if self._last_error is not None:
            self._unavailable()
        raise refused("unknown_key")

    def _unavailable(self) -> NoReturn:
        wait = self._retry_at - self._clock.monotonic()
        reason = self._last_error or "no answer yet"
        raise KeysUnavailable(f"The token issuer's keys can't be fetched ({reason}).", retry_after=max(1.0, wait))

    def _begin(self) -> asyncio.Task[None] | None:
        """The attempt that runs, or a new one; None outside of an event loop."""
        if not _runs_here(self._attempt_task):
            self._attempt_task = _spawn(self._attempt)
        return self._attempt_task

    async def _attempt(self) -> None:
        self._fetches += 1
        began_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._policy.fetch_timeout):
                ring = await self._download()
        except TimeoutError:
            self._note_failure("timeout")
        except FetchFailed as failure:
            self._note_failure(failure.code)
        except Exception as error:  # noqa: BLE001 - a fetch that the user passed in may raise anything, and must not end the refresh
            self._note_failure(type(error).__name__)
        else:
            self._adopt(ring, began_at)

    def _adopt(self, ring: KeyRing, now: float) -> None:
        if self._ring is None or ring.fingerprint != self._ring.fingerprint:
            self._ring = ring
            self.generation += 1
        policy = self._policy
        self._successes += 1
        self._fetched_at = now
        self._due_at = now + policy.max_age * (0.7 + 0.15 * self._jitter())  # not all workers at the same moment
        self._old_at = now + policy.max_age
        self._dead_at = now + policy.stale_ceiling
        self._retry_at = self._excused_until = float("-inf")
        if self._last_error is not None:
            _log.info("The token issuer's keys could be fetched again.")
        self._last_error = None
        self._consecutive_failures = 0

    def _note_failure(self, error: str) -> None:
        self._failures += 1
        pause = min(self._policy.cooldown, 2.0 ** min(self._consecutive_failures, 10))
        self._consecutive_failures += 1
        now = self._clock.monotonic()
        self._retry_at = now + pause * (0.75 + 0.5 * self._jitter())
        self._excused_until = now + 2 * self._policy.cooldown + self._policy.fetch_timeout
        if error != self._last_error:
            _log.warning("The token issuer's keys could not be fetched: %s.", error)
        self._last_error = error

    async def _keep_fresh(self) -> None:
        while True:
            wait = max(self._due_at, self._retry_at) - self._clock.monotonic()
            if wait > 0:
                await self._sleep(wait)
            else:
                await _ended(self._begin())


def _spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
    """A task that carries nothing of the request during which it happens to begin; None outside of an event loop."""
    loop = _this_loop()
    return None if loop is None else loop.create_task(work(), context=Context())


def _runs_here(task: asyncio.Task[None] | None) -> TypeGuard[asyncio.Task[None]]:
    return task is not None and not task.done() and task.get_loop() is _this_loop()


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Wait for a task without owning it: a waiter that is cancelled leaves it running, and its end raises nothing here."""
    if _runs_here(task):
        await asyncio.wait({task})


def _this_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
