"""From constructor arguments to the parts that they mean; every mistake is collected, none is raised here."""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite
from types import NoneType

from starlette.datastructures import Secret

from .arguments import Arguments
from .cache.link import Coherent
from .cache.watch import SessionWatch
from .clock import SYSTEM_CLOCK
from .cookies import CookiePolicy, SameSite
from .engine import SessionEngine
from .exceptions import Problem
from .fingerprint import FingerprintPolicy, Fingerprints
from .ids import CredentialSigner
from .lifetimes import DAY, Lifetimes
from .session_cap import SessionCap
from .stores.base import SessionStore, UserSessions
from .stores.memory import MemoryStore
from .stores.urls import store_from_url

SecretKeys = str | Secret | Sequence[str | Secret]

STRONG_SECRET = 32
"""Characters below which a secret is called weak: in a warning at start, and refused by the production preset."""


class SessionSettings:
    """What both the middleware and the manager are made of."""

    def __init__(
        self,
        secret_key: SecretKeys,
        *,
        session_cookie: str | None = None,
        max_age: int | None = int(14 * DAY),
        path: str = "/",
        same_site: SameSite = "lax",
        https_only: bool | None = None,
        domain: str | None = None,
        partitioned: bool = False,
        store: SessionStore | str | None = None,
        idle_timeout: float | None = None,
        absolute_timeout: float = 30 * DAY,
        session_cap: SessionCap | None = None,
    ) -> None:
        self._given = given = Arguments()
        secrets = _texts(secret_key)
        self.secrets = secrets or []
        self._secrets_are_text = secrets is not None
        numbers, text, flag = (int, float), (str, NoneType), "Write True or False."
        self._max_age = max_age = given.one("max_age", max_age, (*numbers, NoneType), default=int(14 * DAY), fix=_SECONDS)
        self.cookies = CookiePolicy(
            name=given.one("session_cookie", session_cookie, text, default=None, fix="Write a name, or leave it out."),
            max_age=max_age,
            path=given.one("path", path, str, default="/", fix="Write '/' or the mount path of the application."),
            same_site=same_site,
            https_only=given.one("https_only", https_only, (bool, NoneType), default=None, fix=flag),
            domain=given.one("domain", domain, text, default=None, fix="Write a host name, or leave it out."),
            partitioned=given.one("partitioned", partitioned, bool, default=False, fix=flag),
        )
        idle = given.one("idle_timeout", idle_timeout, (*numbers, NoneType), default=None, fix=_SECONDS)
        absolute = given.one("absolute_timeout", absolute_timeout, numbers, default=30 * DAY, fix=_SECONDS)
        default_idle = 14 * DAY if max_age is None else max_age
        self._idle_is = "max_age" if idle is None and max_age is not None else "idle_timeout"
        self.lifetimes = Lifetimes(idle=_seconds(default_idle if idle is None else idle), absolute=_seconds(absolute))
        fix = "Write SessionCap(10); None sets no bound."
        self.cap = given.one("session_cap", session_cap, (SessionCap, NoneType), default=None, fix=fix)
        fix = "Write a URL such as redis://host:6379/0, or pass an object that has all of SessionStore."
        store = given.one("store", store, (SessionStore, str, NoneType), default=None, fix=fix)
        made = store_from_url(store) if isinstance(store, str) else store
        self.store_problem = made if isinstance(made, Problem) else None
        self.store: SessionStore = MemoryStore() if made is None or isinstance(made, Problem) else made
        self.store_is_default = store is None
        self._store_by_url = isinstance(store, str)

    def problems(self) -> list[Problem]:
        """Every mistake in these arguments."""
        found = []
        if not self._secrets_are_text:
            fix = "Use a str, a starlette Secret, or a list of them; the first signs, all verify."
            found.append(Problem("secret_key", "is no text.", fix))
        elif not self.secrets or not all(self.secrets):
            fix = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            found.append(Problem("secret_key", "is empty.", fix))
        found += [*self._given.problems, *self.cookies.problems(), *self._problems_of_lifetimes()]
        return [*found, *self._problems_of_cap(), *self._problems_of_store()]

    def _problems_of_cap(self) -> list[Problem]:
        if self.cap is None:
            return []
        if not isinstance(self.store, UserSessions):
            fix = "Use another store, or leave the cap out."
            return [Problem("session_cap", f"can't be kept: {type(self.store).__name__} can't find the sessions of a user.", fix)]
        return self.cap.problems()

    def _problems_of_lifetimes(self) -> list[Problem]:
        """The idle timeout by the name of the argument that it came from."""
        found = self.lifetimes.problems()
        if self._idle_is == "max_age":
            return [replace(problem, field="max_age") if problem.field == "idle_timeout" else problem for problem in found]
        if self._max_age is not None and not isfinite(_seconds(self._max_age)):
            found.append(Problem("max_age", f"{self._max_age!r} is not a finite time.", _SECONDS))
        return found

    def _problems_of_store(self) -> list[Problem]:
        """Those of a URL are mistakes in ``store`` itself, those of an object in one of its own arguments."""
        if self.store_problem is not None:
            return [self.store_problem]
        found = self.store.problems()
        if self._store_by_url:
            return [replace(problem, field="store") for problem in found]
        return [replace(problem, field=f"store.{problem.field.removeprefix('store.')}") for problem in found]

    def engine(self, fingerprint: FingerprintPolicy | None = None) -> SessionEngine:
        """The parts, wired. ``fingerprint``: what sessions that are made in requests remember of the clients."""
        link = self.store.link if isinstance(self.store, Coherent) else None
        watches = SessionWatch(self.store, link, self.store.namespace, SYSTEM_CLOCK.monotonic)
        signer = CredentialSigner(self.secrets or [""])
        fingerprints = Fingerprints(fingerprint, self.derived_keys("fingerprint")) if fingerprint is not None else None
        return SessionEngine(self.store, signer, self.lifetimes, self.cookies, watches, self.cap, fingerprints)

    def derived_keys(self, label: str) -> list[bytes]:
        """Keys for another purpose than signing ids, one of each secret; tell nothing about it or the keys of other labels."""
        secrets = [secret.encode("utf-8", "surrogatepass") for secret in self.secrets or [""]]
        return [hmac.digest(secret, f"asgi_session.{label}".encode(), "sha256") for secret in secrets]


_SECONDS = "Write seconds, such as 3600: of a timedelta its total_seconds(), of a preset its idle or absolute."


def _seconds(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond all floats; Lifetimes refuses it as it does infinity
        return inf


def _texts(secret_key: object) -> list[str] | None:
    """The secrets, or None where one is no text: of bytes, each number would be taken for a secret of its own."""
    listed = secret_key if isinstance(secret_key, list | tuple) else [secret_key]
    if not all(isinstance(secret, str | Secret) for secret in listed):
        return None
    texts = [str(secret) for secret in listed]
    return texts if all(_is_encodable(text) for text in texts) else None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
