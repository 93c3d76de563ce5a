"""Several issuers side by side: each token goes to the verifier whose issuer it names, and to no other."""

import asyncio
from collections.abc import Callable, Iterable
from math import inf

from ..exceptions import Problem
from .base import Context, ExplainsItself, Reverification, TokenVerifier, VerifiedToken
from .format import unverified_issuer
from .refusals import refused


class Issuers:
    """Verifies what any of ``verifiers`` accepts.

    ``iss`` only chooses which of them decides; it is compared as a whole, never by prefix.
    """

    def __init__(self, verifiers: Iterable[TokenVerifier]) -> None:
        self._verifiers = tuple(verifiers)
        self._explaining = tuple(verifier for verifier in self._verifiers if isinstance(verifier, ExplainsItself))
        self._by_issuer = {verifier.issuer: verifier for verifier in self._verifiers if _is_text(verifier.issuer)}

    def __len__(self) -> int:
        return len(self._verifiers)

    @property
    def verifiers(self) -> tuple[TokenVerifier, ...]:
        """The verifiers in the order they were given."""
        return self._verifiers

    def problems(self) -> list[Problem]:
        """Issuers that are named twice. What is wrong with one verifier, it says itself."""
        found = []
        named = [verifier.issuer for verifier in self._verifiers]
        for issuer in self._by_issuer:
            if named.count(issuer) > 1:
                fix = "Give each issuer one verifier; that may accept several audiences."
                found.append(Problem("bearer", f"holds more than one verifier for {issuer!r}.", fix))
        return found

    async def start(self) -> None:
        """Start every verifier.

        Raises:
            ConfigurationError: one of them is set up wrongly.
        """
        for verifier in self._verifiers:
            await verifier.start()

    async def stop(self) -> None:
        """Stop every verifier, whatever becomes of the others; then raise the first error, if any."""
        outcomes = await asyncio.gather(*(verifier.stop() for verifier in self._verifiers), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def cached(self, token: str, context: Context = None, max_age: float = inf) -> VerifiedToken | None:
        """The token, if one of the verifiers verified it in this ``context``, less than ``max_age`` seconds ago."""
        for verifier in self._verifiers:
            verified = verifier.cached(token, context, max_age)
            if verified is not None:
                return verified
        return None

    def why_again(self, token: str, context: Context = None) -> Reverification:
        """Why a token that was verified a moment ago is to be verified again; empty where none of the verifiers knows it."""
        for verifier in self._explaining:
            reason = verifier.why_again(token, context)
            if reason:
                return reason
        return ""

    def lookup(self) -> Callable[[str, Context, float], VerifiedToken | None]:
        """``cached``, for whoever calls it all the time: a single verifier is asked without a detour."""
        return self._verifiers[0].cached if len(self._verifiers) == 1 else self.cached

    async def verify(self, token: str, context: Context = None) -> VerifiedToken:
        """The token, if the verifier of its issuer accepts it now; to be remembered for ``context``.

        Raises:
            TokenInvalid: it does not, or there is none for that issuer.
            KeysUnavailable: that issuer's keys can't be had.
        """
        if len(self._verifiers) == 1:
            return await self._verifiers[0].verify(token, context)
        verifier = self._by_issuer.get(unverified_issuer(token) or "")
        if verifier is None:
            raise refused("issuer")
        return await verifier.verify(token, context)


def _is_text(issuer: object) -> bool:
    """A verifier whose issuer is none says so itself, at the start."""
    return isinstance(issuer, str)
