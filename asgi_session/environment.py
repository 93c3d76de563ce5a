"""The middleware's arguments from ``ASGI_SESSION_*`` variables, by one explicit call.

    app.add_middleware(SessionMiddleware, **settings_from_environment())

Nothing is read when this module is imported. The variables say what differs from one deployment to the next (addresses, secrets,
lifetimes); what belongs to the application (rate limits, its CSRF exemptions) stays in its code, beside the call.

``ASGI_SESSION_ENV`` chooses a preset. It is ``production`` unless it says otherwise, so that forgetting it never weakens anything:

    production    needs a store that outlives the process and strong secrets; the cookie is Secure, whatever the request says
    development   uses what is there; without it: memory, and a secret that this process makes up
    test          always memory; the secret as in development

There is no cache of instances: two calls give equal arguments, and each middleware opens a store of its own. What else needs the
sessions of a middleware in its process uses its ``manager``; two middlewares that shall share one store are given one store object.
"""

import difflib
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from .client_address import TrustedProxies
from .csrf import CSRFPolicy
from .exceptions import ConfigurationError, Problem
from .settings import STRONG_SECRET, SessionSettings
from .tokens import JWTVerifier

log = logging.getLogger("asgi_session")

PREFIX = "ASGI_SESSION_"
PRESETS = ("production", "development", "test")

_PLACEHOLDERS = ("changeme", "changethis", "replaceme", "placeholder", "insecure", "secretkey", "password", "example")
_FEWEST_CHARACTERS = 8
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_HOW_TO_MAKE_ONE = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, and what becomes of its value."""

    name: str
    """Without the prefix."""
    argument: str
    """Which argument of the middleware it sets; ``csrf.`` and ``bearer.`` before an argument of those."""
    read: Callable[[str], Any]
    """Raises ValueError, saying what it wants, where it can't read the value."""
    meaning: str
    """For the reference in docs/."""


def _text(value: str) -> str:
    return value


def _texts(value: str) -> tuple[str, ...]:
    return tuple(part for part in map(str.strip, value.split(",")) if part)


def _yes_or_no(value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError("Write true or false.")


def _seconds(value: str) -> int:
    if value.isascii() and value.isdigit():
        return int(value)
    raise ValueError("Write whole seconds, such as 3600.")


def _max_age(value: str) -> int | None:
    return None if value.lower() == "session" else _seconds(value)


VARIABLES = (
    Variable("ENV", "", _text, "The preset: `production` (the default), `development` or `test`."),
    Variable("SECRET_KEY", "secret_key", _texts, "The secret; for a rotation several, newest first. None can hold a comma."),
    Variable("STORE", "store", _text, "URL of the store: `redis://…`, `rediss://…`, `redis+sentinel://…`, `redis+cluster://…`."),
    Variable("COOKIE", "session_cookie", _text, "Name of the cookie."),
    Variable("MAX_AGE", "max_age", _max_age, "Cookie Max-Age and idle timeout, seconds; `session` for a browser-session cookie."),
    Variable("PATH", "path", _text, "Path of the cookie."),
    Variable("SAME_SITE", "same_site", _text, "`lax`, `strict` or `none`."),
    Variable("HTTPS_ONLY", "https_only", _yes_or_no, "Whether the cookie is Secure; production insists on it."),
    Variable("DOMAIN", "domain", _text, "Domain of the cookie."),
    Variable("PARTITIONED", "partitioned", _yes_or_no, "Whether the cookie is Partitioned."),
    Variable("IDLE_TIMEOUT", "idle_timeout", _seconds, "Seconds without a request after which a session ends."),
    Variable("ABSOLUTE_TIMEOUT", "absolute_timeout", _seconds, "Seconds after which a session ends in any case."),
    Variable("TRUSTED_PROXIES", "trusted_proxies", _texts, "Networks of the proxies whose forwarding headers are believed."),
    Variable("ON_STORE_ERROR", "on_store_error", _text, "`reject` (503) or `anonymous`."),
    Variable("EXTERNAL_ORIGIN", "csrf.external_origin", _text, "Our own origin as browsers see it, where a proxy changes Host."),
    Variable("TRUSTED_ORIGINS", "csrf.trusted_origins", _texts, "Other origins whose pages may send unsafe requests."),
    Variable("ISSUER", "bearer.issuer", _text, "Issuer of bearer tokens: needs `ASGI_SESSION_AUDIENCE` beside it."),
    Variable("AUDIENCE", "bearer.audience", _texts, "Name of this API, one of which tokens have to carry."),
)
"""All there are. Lists are separated by commas; a variable with an empty value counts as missing."""


def settings_from_environment(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Keyword arguments for :class:`~asgi_session.SessionMiddleware`, from ``environ`` or else the process's environment.

    Raises:
        ConfigurationError: every mistake at once, by the names of the variables. No value of a secret is in it.
    """
    given = os.environ if environ is None else environ
    present = {name: value.strip() for name, value in given.items() if name.startswith(PREFIX) and value.strip()}
    arguments, problems = _read(present)
    problems += _apply_preset(arguments)
    problems += _problems_of({**arguments, "secret_key": arguments.get("secret_key") or "reported already"})
    if problems:
        raise ConfigurationError(problems)
    return _assembled(arguments)


def _read(present: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    """What each variable says, by argument; ``""`` is the preset."""
    known = {PREFIX + variable.name: variable for variable in VARIABLES}
    arguments: dict[str, Any] = {}
    problems = []
    for name, value in present.items():
        variable = known.get(name)
        if variable is None:
            near = difflib.get_close_matches(name, known, 1)
            problems.append(Problem(name, "is not known.", f"Did you mean {near[0]}?" if near else "Remove it."))
            continue
        try:
            arguments[variable.argument] = variable.read(value)
        except ValueError as error:
            problems.append(Problem(name, "can't be read.", str(error)))
    return arguments, problems


def _apply_preset(arguments: dict[str, Any]) -> list[Problem]:
    """Fill in, or demand, what the preset says."""
    preset = arguments.pop("", "production")
    if preset == "production":
        return _production(arguments)
    if preset not in PRESETS:
        return [Problem(PREFIX + "ENV", f"{preset[:32]!r} is not known.", f"Use one of {', '.join(PRESETS)}.")]
    if not arguments.get("secret_key"):
        arguments["secret_key"] = (_secret_of_this_process(),)
    if preset == "test":
        arguments["store"] = "memory://"
    return []


def _production(arguments: dict[str, Any]) -> list[Problem]:
    problems = []
    listed = arguments.get("secret_key", ())
    if not listed:
        problems.append(Problem(PREFIX + "SECRET_KEY", "is missing.", _HOW_TO_MAKE_ONE))
    for at, secret in enumerate(listed):
        if weakness := _weakness(secret):
            which = "" if len(listed) == 1 else f" (number {at + 1} of {len(listed)})"
            problems.append(Problem(PREFIX + "SECRET_KEY", f"{weakness}{which}.", _HOW_TO_MAKE_ONE))
    store = arguments.get("store")
    if store is None or store.partition("://")[0].lower() == "memory":
        what = "is missing." if store is None else "keeps sessions in the memory of one process."
        fix = "Give it the URL of a store, redis://host:6379/0; or set ASGI_SESSION_ENV=development on your own machine."
        problems.append(Problem(PREFIX + "STORE", what, fix))
    if arguments.setdefault("https_only", True) is False:
        fix = "Remove it; browsers send the cookie over https alone, also where a proxy ends TLS."
        problems.append(Problem(PREFIX + "HTTPS_ONLY", "is false, so the cookie would travel in the clear.", fix))
    return problems


def _weakness(secret: str) -> str | None:
    plain = "".join(character for character in secret.lower() if character.isalnum())
    if any(placeholder in plain for placeholder in _PLACEHOLDERS):
        return "is a placeholder"
    if len(secret) < STRONG_SECRET:
        return f"is shorter than {STRONG_SECRET} characters"
    return "repeats the same few characters" if len(set(secret)) < _FEWEST_CHARACTERS else None


@cache
def _secret_of_this_process() -> str:
    log.warning("there is no %sSECRET_KEY: made one for this process; another worker or a restart does not know it", PREFIX)
    return secrets.token_urlsafe(32)


def _assembled(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The middleware's arguments, with the objects that some of them are."""
    parts: dict[str, dict[str, Any]] = {"": {}, "csrf": {}, "bearer": {}}
    for argument, value in arguments.items():
        owner, _, name = argument.rpartition(".")
        parts[owner][name] = value
    settings = parts[""]
    if parts["csrf"]:
        settings["csrf"] = CSRFPolicy(**parts["csrf"])
    if parts["bearer"]:
        bearer: dict[str, Any] = {"issuer": "", "audience": (), **parts["bearer"]}
        settings["bearer"] = JWTVerifier(**bearer)
    return settings


def _problems_of(arguments: Mapping[str, Any]) -> list[Problem]:
    """What the parts themselves object to, told by variable."""
    settings = _assembled(arguments)
    found: list[Problem] = []
    if settings.get("on_store_error", "reject") not in ("reject", "anonymous"):
        found.append(Problem("on_store_error", "is not known.", "Use reject or anonymous."))
    found += TrustedProxies(settings.pop("trusted_proxies", ())).problems()
    settings.pop("on_store_error", None)
    for part in (settings.pop("csrf", None), settings.pop("bearer", None), SessionSettings(**settings)):
        found += part.problems() if part is not None else []
    variables = {variable.argument.rpartition(".")[2]: PREFIX + variable.name for variable in VARIABLES}
    return [replace(problem, field=variables.get(_argument_in(problem.field), problem.field)) for problem in found]


def _argument_in(field: str) -> str:
    """``csrf.trusted_origins[0]`` → ``trusted_origins``."""
    return field.removeprefix("csrf.").partition("[")[0].partition(".")[0]
