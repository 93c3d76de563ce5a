"""The composition root: the one module that knows which adapter serves which port."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from .cache.link import Coherent
from .cache.loader import SessionLoader
from .cache.policy import CachePolicy, ValidationPolicy
from .cache.sessions import SessionCache
from .cache.touches import TouchQueue
from .choices import Choices
from .clock import SYSTEM_CLOCK
from .context import Request
from .counts import Counters
from .engine import SessionEngine
from .exceptions import Problem
from .hold import Hold
from .ids import CredentialSigner
from .lifespan import Part
from .ratelimit.base import RateLimiter
from .ratelimit.fallback import FallbackRateLimiter
from .ratelimit.leases import LeasedRateLimiter
from .ratelimit.memory import MemoryRateLimiter
from .ratelimit.partitions import Partitions
from .ratelimit.redis import RedisRateLimiter
from .settings import STRONG_SECRET, SessionSettings
from .stages.base import Stage
from .stages.csrf import CSRF
from .stages.edge_limit import EdgeLimit
from .stages.full import Full
from .stages.limit import IdentityLimit
from .stages.quick import Quick
from .stages.resolve import Resolve
from .stores.base import SessionStore, Touches
from .stores.redis import RedisStore
from .tokens.issuers import Issuers

log = logging.getLogger("asgi_session")


@dataclass(frozen=True, slots=True)
class Wired:
    """A middleware's insides."""

    engine: SessionEngine
    counters: Counters
    stages: tuple[Stage, ...]
    parts: tuple[Part, ...]
    problems: tuple[Problem, ...]


def wire(settings: SessionSettings, choices: Choices) -> Wired:
    """Put the parts together; opens nothing, raises nothing."""
    validation = choices.validation
    engine = settings.engine(choices.fingerprint)
    issuers = Issuers(choices.verifiers) if choices.verifiers else None
    limiter, leases = _limiter(settings.store)
    partitions = Partitions(settings.derived_keys("rate-limit")[0])
    sessions = _cache(settings, choices.cache, validation)
    edge = EdgeLimit(limiter, partitions, choices.rate_limits, choices.failed_credentials, _proof(engine.signer, issuers))
    touches = TouchQueue(settings.store) if isinstance(settings.store, Touches) else None
    loader = SessionLoader(settings.store, sessions, settings.lifetimes.touch_after)
    stages: tuple[Stage, ...] = (
        Resolve(
            settings.cookies,
            choices.proxies,
            verifies_tokens=issuers is not None,
            fingerprint=choices.fingerprint,
        ),
        edge,
        Quick(engine, issuers, edge, cache=sessions, touches=touches, validation=validation, monotonic=SYSTEM_CLOCK.monotonic),
        CSRF(choices.csrf),
        Full(engine, issuers, edge, loader, choices.on_store_error),
        IdentityLimit(limiter, partitions, choices.rate_limits),
    )
    stages = tuple(stage for stage in stages if not isinstance(stage, IdentityLimit) or stage.has_rules)
    problems = [*settings.problems(), *choices.problems(), *(issuers.problems() if issuers is not None else ())]
    notices = Notices(settings)
    parts: list[Part] = [notices, Hold(settings.store), limiter]
    if isinstance(settings.store, Coherent):
        parts.append(Hold(settings.store.link))
    if touches is not None:
        parts.append(touches)
    parts.append(engine.watches)
    parts.append(Drain(engine))
    if issuers is not None:
        parts.append(issuers)
    return Wired(engine, Counters(engine, sessions, touches, leases), stages, tuple(parts), tuple(problems))


def _cache(settings: SessionSettings, policy: CachePolicy, validation: ValidationPolicy) -> SessionCache | None:
    """An L1, where the store can tell what changes."""
    store = settings.store
    if not policy.enabled or not isinstance(store, Coherent):
        return None
    return SessionCache(store.link, policy, SYSTEM_CLOCK.monotonic, store.namespace, validation.full_every)


def _proof(signer: CredentialSigner, issuers: Issuers | None) -> Callable[[Request], bool]:
    """What tells, by CPU alone, a credential that nobody can have made up: signed by us, or a token that was verified before."""

    def is_proven(request: Request) -> bool:
        presented = request.presented or ""
        if request.public.credential == "bearer-jwt":
            return issuers is not None and issuers.cached(presented, request.context) is not None
        return signer.unsign(presented) is not None

    return is_proven


def _limiter(store: SessionStore) -> tuple[RateLimiter, LeasedRateLimiter | None]:
    """Counts live where the sessions live: in Redis for all processes, else in this one. The limiter, and what holds its leases."""
    if not isinstance(store, RedisStore):
        return MemoryRateLimiter(), None
    shared = LeasedRateLimiter(RedisRateLimiter(store.client, namespace=store.namespace))
    return FallbackRateLimiter(shared, MemoryRateLimiter(), recall=shared.recall), shared


class Drain:
    """Waits at the end for the store steps that requests left behind."""

    def __init__(self, engine: SessionEngine) -> None:
        self._engine = engine

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Wait."""
        await self._engine.drain()


class Notices:
    """Says once, at start, what is right for development only."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Say it."""
        if self._settings.store_is_default:
            log.warning("sessions are kept in this process's memory: give a store for more than one worker, or to survive restarts")
        if any(len(secret) < STRONG_SECRET for secret in self._settings.secrets):
            log.warning("secret_key is shorter than %d characters; whoever guesses it can sign session ids", STRONG_SECRET)

    async def stop(self) -> None:
        """Nothing to say."""
