"""From constructor arguments to the parts that they mean; every mistake is collected, none is raised here."""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Secret

from .cache.link import Coherent
from .cache.watch import SessionWatch
from .clock import SYSTEM_CLOCK
from .cookies import CookiePolicy, SameSite
from .engine import SessionEngine
from .exceptions import Problem
from .ids import CredentialSigner
from .lifetimes import DAY, Lifetimes
from .stores.base import SessionStore
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
        absolute_timeout: float | None = None,
    ) -> None:
        secrets = _texts(secret_key)
        self.secrets = secrets or []
        self._secrets_are_text = secrets is not None
        self.cookies = CookiePolicy(
            name=session_cookie,
            max_age=max_age,
            path=path,
            same_site=same_site,
            https_only=https_only,
            domain=domain,
            partitioned=partitioned,
        )
        default_idle = float(max_age) if max_age is not None else 14 * DAY
        self.lifetimes = Lifetimes(
            idle=default_idle if idle_timeout is None else float(idle_timeout),
            absolute=30 * DAY if absolute_timeout is None else float(absolute_timeout),
        )
        made = store_from_url(store) if isinstance(store, str) else store
        self.store_problem = made if isinstance(made, Problem) else None
        self.store: SessionStore = MemoryStore() if made is None or isinstance(made, Problem) else made
        self.store_is_default = store is None

    def problems(self) -> list[Problem]:
        """Every mistake in these arguments."""
        found = []
        if not self._secrets_are_text:
            fix = "Use a str, a starlette Secret, or a list of them; the first signs, all verify."
            found.append(Problem("secret_key", "is no text.", fix))
        elif not self.secrets or not all(self.secrets):
            fix = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            found.append(Problem("secret_key", "is empty.", fix))
        found += self.cookies.problems()
        found += self.lifetimes.problems()
        if self.store_problem is not None:
            found.append(self.store_problem)
        else:
            found += self.store.problems()
        return found

    def engine(self) -> SessionEngine:
        """The parts, wired."""
        link = self.store.link if isinstance(self.store, Coherent) else None
        watches = SessionWatch(self.store, link, self.store.namespace, SYSTEM_CLOCK.monotonic)
        return SessionEngine(self.store, CredentialSigner(self.secrets or [""]), self.lifetimes, self.cookies, watches)

    def derived_key(self, label: str) -> bytes:
        """A key for another purpose than signing ids; tells nothing about the secret or about the keys of other labels."""
        secret = self.secrets[0] if self.secrets else ""
        return hmac.digest(secret.encode("utf-8", "surrogatepass"), f"asgi_session.{label}".encode(), "sha256")


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
