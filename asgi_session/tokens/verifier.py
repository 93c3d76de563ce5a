"""Local verification of JWTs: the steps of one token, cheapest first (JW-11, JW-27, JW-29).

    format  →  issuer, algorithm  →  key  →  signature  →  claims  →  keep for ``cached``

Nothing is computed for a token that its text already condemns, and no check can be left out: there is one way in. ``verify`` goes
it each time; what was verified a moment ago, ``cached`` knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from ..clock import SYSTEM_CLOCK, Clock
from ..exceptions import ConfigurationError, KeysUnavailable, Problem, TokenInvalid
from .algorithms import ASYMMETRIC
from .base import Context, Reverification, VerifiedToken
from .cache import DEFAULT_BYTES, VerifiedTokens
from .claims import Candidate, Expectations, judge
from .fetch import Fetch
from .format import MAX_TOKEN_CHARS, read
from .health import KeysHealth
from .policies import ClaimsPolicy, KeyPolicy
from .refusals import REFUSALS, refused
from .settings import VerifierSettings

if TYPE_CHECKING:
    from .key_source import KeySource


@dataclass(frozen=True, slots=True)
class VerifierStats:
    """What a verifier has done since it was made, and how its keys are."""

    accepted: int
    """Tokens verified in full."""
    hits: int
    """Tokens that were verified a moment before."""
    refused: Mapping[str, int]
    """Reason → tokens refused for it; every reason is there from the beginning."""
    unavailable: int
    """Tokens of which nothing could be said, for want of keys."""
    signatures: int
    """Signatures checked: what a flood of tokens costs at most."""
    cached: int
    """Tokens remembered just now."""
    keys: KeysHealth


class JWTVerifier:
    """Verifies the access tokens of one issuer, locally, against its published keys.

    Args:
        issuer: compared with ``iss`` character by character; its metadata is found below it unless ``jwks`` is given.
        audience: the name (or names) of this API, one of which ``aud`` has to hold. Keycloak puts it there through an audience
            mapper.
        jwks: where the keys are: None, to ask the issuer's metadata; an https URL; or the JWK set itself.
        algorithms: the signature algorithms that are accepted; by default every asymmetric one.
        authorized_parties: if given, the only clients (``azp``) whose tokens are accepted. An addition to the audience, never
            a substitute.
        hmac_secret: opts in to HMAC tokens, with ``algorithms=("HS256",)`` or longer: everyone who knows it can make tokens.
        claims: what else the claims have to fulfil.
        keys: how long keys are believed and how they may be fetched.
        cache_size: verified tokens to remember; 0 for none.
        cache_bytes: what they may take together, by an estimate from their length that is rather too high.
        clock: where time comes from.
        fetch: fetches a URL in place of the built-in client, e.g. through a proxy.

    Mistakes are not raised here but listed by ``problems``, and raised by the first use.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str | Sequence[str],
        jwks: str | Mapping[str, object] | None = None,
        algorithms: Sequence[str] = ASYMMETRIC,
        authorized_parties: Sequence[str] = (),
        hmac_secret: str | bytes | None = None,
        claims: ClaimsPolicy = ClaimsPolicy(),  # noqa: B008 - frozen
        keys: KeyPolicy = KeyPolicy(),  # noqa: B008 - frozen
        cache_size: int = 4096,
        cache_bytes: int = DEFAULT_BYTES,
        clock: Clock = SYSTEM_CLOCK,
        fetch: Fetch | None = None,
    ) -> None:
        self._settings = VerifierSettings(
            issuer, audience, jwks, algorithms, authorized_parties, hmac_secret, claims, keys, cache_size, cache_bytes
        )
        self._clock = clock
        self._fetch = fetch
        self._ready: _Ready | None = None
        self._accepted = self._hits = self._unavailable = self._signatures = 0
        self._refused = dict.fromkeys(REFUSALS, 0)

    def __repr__(self) -> str:
        return f"JWTVerifier({self.issuer!r})"

    @property
    def issuer(self) -> str:
        """The issuer as it was given."""
        return self._settings.issuer

    def problems(self) -> list[Problem]:
        """Every mistake in the configuration; never raises, opens or reads anything."""
        return self._settings.problems()

    async def start(self) -> None:
        """Begin to keep the keys fresh. Neither waits for the issuer nor fails where it is down.

        Raises:
            ConfigurationError: ``problems`` are not empty.
        """
        await self._prepared().keys.start()

    async def stop(self) -> None:
        """End what ``start`` began; leaves no task."""
        if self._ready is not None:
            await self._ready.keys.stop()

    def cached(self, token: str, context: Context = None, max_age: float = inf) -> VerifiedToken | None:
        """The token, if it was verified in this ``context`` a moment ago and its keys are still trusted.

        ``max_age``: how long a moment is, seconds; five minutes at most.
        """
        ready = self._ready
        if ready is None or len(token) > MAX_TOKEN_CHARS or ready.keys.ring() is None:
            return None
        verified = ready.cache.get(token, ready.keys.generation, context, max_age)
        if verified is not None:
            self._hits += 1
        return verified

    def why_again(self, token: str, context: Context = None) -> Reverification:
        """Why ``cached`` doesn't answer for a token that was verified a moment ago; empty where nothing is known of it."""
        return self._ready.cache.why_again(token, context) if self._ready is not None else ""

    async def verify(self, token: str, context: Context = None) -> VerifiedToken:
        """The token, if it is good now: signature, claims and keys are looked at again, whatever was found a moment ago.

        Where that will do, ask ``cached`` first, as the middleware does; it answers for the same ``context`` only.

        Raises:
            TokenInvalid: the sender needs another token; ``reason`` is a key of ``REFUSALS``. ``TokenExpired`` where only its
            time is over.
            KeysUnavailable: the issuer's keys can't be had; says nothing about the token.
            ConfigurationError: ``problems`` are not empty.
        """
        ready = self._prepared()
        try:
            return await self._verify(token, context, ready)
        except TokenInvalid as error:
            self._refused[error.reason] += 1
            raise
        except KeysUnavailable:
            self._unavailable += 1
            raise
        except Exception:  # noqa: BLE001, S110 - whatever a hostile token brings about is a refusal, not a crash (JW-29)
            pass
        self._refused["internal"] += 1
        raise refused("internal")  # outside of the handler: a chained cause could hold a part of the token

    def stats(self) -> VerifierStats:
        """What was done so far, and how the keys are."""
        ready = self._ready
        return VerifierStats(
            accepted=self._accepted,
            hits=self._hits,
            refused=dict(self._refused),
            unavailable=self._unavailable,
            signatures=self._signatures,
            cached=0 if ready is None else len(ready.cache),
            keys=self.health(),
        )

    def health(self) -> KeysHealth:
        """How the issuer's keys are: whether there are any, how old, and why the last fetch failed."""
        return KeysHealth(keys=0) if self._ready is None else self._ready.keys.health()

    async def _verify(self, token: str, context: Context, ready: "_Ready") -> VerifiedToken:
        unverified = read(token)
        if unverified.claims.get("iss") != ready.expected.issuer:
            raise refused("issuer")
        header = unverified.header
        if header.algorithm not in ready.algorithms:
            raise refused("algorithm")
        key = await ready.keys.find(header.algorithm, header.key_id)
        generation = ready.keys.generation
        self._signatures += 1
        if not key.verifies(header.algorithm, unverified.signing_input, unverified.signature):
            raise refused("signature")
        candidate = Candidate(header.type, unverified.claims, self._clock.now())
        try:
            verified = judge(candidate, ready.expected)
        except TokenInvalid:
            ready.cache.forget(token)  # it was good before: a clock was set
            raise
        self._accepted += 1
        ready.cache.put(token, generation, verified, context)
        return verified

    def _prepared(self) -> "_Ready":
        if self._ready is None:
            problems = self.problems()
            if problems:
                raise ConfigurationError(problems)
            settings = self._settings
            self._ready = _Ready(
                expected=settings.expectations(),
                algorithms=frozenset(settings.algorithms),
                keys=settings.key_source(self._fetch, self._clock),
                cache=VerifiedTokens(settings.cache_size, self._clock, settings.cache_bytes),
            )
        return self._ready


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a verifier without mistakes works with."""

    expected: Expectations
    algorithms: frozenset[str]
    keys: "KeySource"
    cache: VerifiedTokens
