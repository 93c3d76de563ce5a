"""A verifier's configuration: what is wrong with it, and what it becomes.

joserfc and cryptography are imported where keys are first made of it, so that an application without tokens never loads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..arguments import Arguments
from ..clock import Clock
from ..exceptions import Problem
from .algorithms import algorithm_problems
from .claims import Expectations
from .fetch import Fetch, HttpFetch
from .policies import ClaimsPolicy, KeyPolicy, is_list_of_names
from .urls import url_problems

if TYPE_CHECKING:
    from .key_source import KeySource
    from .keys import Imported


@dataclass(frozen=True, slots=True)
class VerifierSettings:
    """The arguments of ``JWTVerifier``, as they were given."""

    issuer: str
    audience: str | Sequence[str]
    jwks: str | Mapping[str, object] | None
    algorithms: Sequence[str]
    authorized_parties: Sequence[str]
    hmac_secret: str | bytes | None = field(repr=False)
    claims: ClaimsPolicy
    keys: KeyPolicy
    cache_size: int
    cache_bytes: int

    def problems(self) -> list[Problem]:
        """Every mistake, in the order of the arguments."""
        given = Arguments()
        claims = given.one("claims", self.claims, ClaimsPolicy, default=ClaimsPolicy(), fix="Pass a ClaimsPolicy.")
        keys = given.one("keys", self.keys, KeyPolicy, default=KeyPolicy(), fix="Pass a KeyPolicy.")
        if given.problems:
            return [*given.problems, *replace(self, claims=claims, keys=keys).problems()]
        return [
            *self._issuer_problems(),
            *self._audience_problems(),
            *self._jwks_problems(),
            *algorithm_problems(self.algorithms, with_secret=self.hmac_secret is not None),
            *_name_problems("authorized_parties", self.authorized_parties),
            *self._secret_problems(),
            *self.claims.problems(),
            *self.keys.problems(),
            *self._cache_problems(),
        ]

    def expectations(self) -> Expectations:
        """What is demanded of claims."""
        return Expectations(
            self.issuer,
            frozenset([self.audience] if isinstance(self.audience, str) else self.audience),
            frozenset(self.authorized_parties),
            self.claims,
        )

    def key_source(self, fetch: Fetch | None, clock: Clock) -> "KeySource":
        """Where the keys come from; nothing is fetched yet."""
        from .jwks import RemoteKeys
        from .key_source import FixedKeys
        from .provider import Provider
        from .shared_secret import SharedSecret

        if self.hmac_secret is not None:
            return FixedKeys(SharedSecret(self.hmac_secret, self.algorithms))
        if isinstance(self.jwks, Mapping):
            return FixedKeys(self._given_keys(self.jwks).ring)
        insecure = self.keys.insecure_http
        provider = Provider(self.issuer, self.jwks, self.algorithms, fetch or HttpFetch(), insecure_http=insecure)
        return RemoteKeys(provider.download, self.keys, clock)

    def _issuer_problems(self) -> list[Problem]:
        if not is_list_of_names([self.issuer]):
            return [Problem("issuer", "is missing.", "Pass the provider's issuer URL, exactly as its tokens carry it.")]
        if self.jwks is None and self.hmac_secret is None:
            return url_problems("issuer", self.issuer, insecure_http=self.keys.insecure_http)
        return []

    def _audience_problems(self) -> list[Problem]:
        if not self.audience:
            fix = "Name this API; in Keycloak, add an audience mapper to the client that asks for the tokens."
            return [Problem("audience", "is missing, so tokens for any other service would pass.", fix)]
        names = [self.audience] if isinstance(self.audience, str) else self.audience
        found = _name_problems("audience", names)
        if not found and "account" in names:
            fix = "Use a name of this API's own, put into aud by an audience mapper."
            found = [Problem("audience", '"account" is in nearly every token of a Keycloak realm.', fix)]
        return found

    def _jwks_problems(self) -> list[Problem]:
        jwks: object = self.jwks
        if jwks is None:
            return []
        if self.hmac_secret is not None:
            return [Problem("jwks", "stands beside hmac_secret.", "Give one of the two; a second verifier may use the other.")]
        if isinstance(jwks, str):
            return url_problems("jwks", jwks, insecure_http=self.keys.insecure_http)
        if not isinstance(jwks, Mapping) or not isinstance(jwks.get("keys"), list):
            return [Problem("jwks", "is not a JWK set.", 'Pass a URL, or a dict such as {"keys": [...]}.')]
        if algorithm_problems(self.algorithms, with_secret=False):
            return []
        given = self._given_keys(jwks)
        if len(given.ring):
            return []
        reasons = ", ".join(dict.fromkeys(given.dropped)) or "it is empty"
        return [Problem("jwks", f"holds no usable key: {reasons}.", "Pass public signature keys of the accepted algorithms.")]

    def _given_keys(self, jwks: Mapping[str, object]) -> "Imported":
        from .keys import import_keys

        entries = jwks["keys"]
        return import_keys(entries if isinstance(entries, list) else (), self.algorithms)

    def _secret_problems(self) -> list[Problem]:
        if self.hmac_secret is None or algorithm_problems(self.algorithms, with_secret=True):
            return []
        from .shared_secret import secret_problems

        return secret_problems(self.hmac_secret, self.algorithms)

    def _cache_problems(self) -> list[Problem]:
        size: object = self.cache_size
        most: object = self.cache_bytes
        found = []
        if not (type(size) is int and size >= 0):
            found.append(Problem("cache_size", f"is {size!r}.", "Give it the number of tokens to remember; 0 for none."))
        if not (type(most) is int and most >= 1):
            found.append(Problem("cache_bytes", f"is {most!r}.", "Give it a number of bytes; cache_size=0 remembers nothing."))
        return found


def _name_problems(field_name: str, value: object) -> list[Problem]:
    if not is_list_of_names(value):
        return [Problem(field_name, "is not a list of names.", "Pass a tuple of strings, none of them empty.")]
    return []
