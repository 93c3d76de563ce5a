"""Is it still the client for whom the session was made? What it said of itself then, kept part by part, and compared later.

Of each part a keyed hash is kept (security row PR-03): enough to see that it differs, and nothing that could be read without the
secret. (Two sessions of clients that say the same look the same.) The parts are headers that a client sends anyway, no script
probes it. Whoever steals a cookie can steal these headers, too: a fingerprint makes replays clumsier, and is no proof of anything.

    kept in the record's metadata    base64url( name of key and parts, 4 bytes | 6 bytes for each part; zeros where it was missing )

The user agent counts without its digits, so that an update is no difference. Where the list of parts has changed since, or the
secret is gone, the name is another one, and there is nothing to compare.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from .arguments import shown, texts
from .client_address import network_of
from .client_description import Client
from .exceptions import Problem

FINGERPRINT = "fingerprint"
"""Its name in a record's metadata."""
NETWORK = "network"
"""The name of the part that is no header."""
MOST_PARTS = 7
"""What is kept of more is longer than Redis stores compactly: each session would take half as much memory again."""

OnMismatch = Literal["log", "step_up", "revoke"]

_NAME_BYTES, _PART_BYTES = 4, 6
_MISSING = bytes(_PART_BYTES)
_KEPT = re.compile(r"[A-Za-z0-9_-]{6}(?:[A-Za-z0-9_-]{8})+", re.ASCII)
"""The name fills 6 characters but for four bits, and each part 8."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# fmt: off
_OF_A_REQUEST = frozenset({
    "accept", "authorization", "cache-control", "cf-connecting-ip", "connection", "content-length", "content-type", "cookie",
    "forwarded", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "network", "origin", "pragma",
    "priority", "range", "referer", "te", "traceparent", "tracestate", "upgrade", "via", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-proto", "x-real-ip", "x-request-id", "x-requested-with",
})
# fmt: on
"""What changes from one request of a client to the next, or is an address, which ``network`` is for."""
_OPTIONAL = ("accept-language", "accept-encoding")
"""What proxies and privacy tools take away."""
_REMEMBERED_CLIENTS, _LONGEST_USUAL = 1024, 1024
"""Clients are far fewer than requests: of those that say no more than so many bytes, the comparison is remembered."""
_HINTS = "sec-ch-"
"""Some browsers send these, over HTTPS, and not with every kind of request."""


@dataclass(frozen=True, slots=True)
class FingerprintPolicy:
    """Which parts of a client a session remembers, and what happens when another client presents it.

    A part that is optional and missing counts only beside one that differs, and hints (``sec-ch-…``) that are missing never count:
    browsers leave them out of some requests. So a missing header alone signs nobody out. Neither does an update of the browser: of
    the user agent, the digits don't count.
    """

    headers: str | Sequence[str] = ("user-agent", "accept-language", "accept-encoding", "sec-ch-ua-platform", "sec-ch-ua-mobile")
    """Their names. An application's own clients can send one that names the device."""
    network: bool = False
    """Whether the client's address is a part, too (of IPv6, its /64): off, as phones change it all day."""
    tolerance: int = 1
    """How many parts may differ."""
    on_mismatch: OnMismatch = "log"
    """``"log"`` lets the request in. ``"step_up"``: to this client nobody is logged in, until it logs in itself; a bearer gets 401.
    ``"revoke"`` ends the session, on every worker; not for a request that another site caused (``Sec-Fetch-Site``), which is
    treated as under ``"step_up"``, so that no page elsewhere can sign people out."""

    def __post_init__(self) -> None:
        names = texts(self.headers)
        object.__setattr__(self, "headers", tuple(name.lower() if isinstance(name, str) else name for name in names))

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all parts."""
        return (*self.headers, NETWORK) if self.network else tuple(self.headers)

    def problems(self) -> list[Problem]:
        """Parts that are none, and a tolerance or an action that means nothing."""
        found = []
        for at, name in enumerate(texts(self.headers)):
            field = f"validation.fingerprint.headers[{at}]"
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                found.append(Problem(field, f"{shown(name)} is no name of a header.", 'Write one such as "user-agent".'))
            elif name in _OF_A_REQUEST or name.startswith("sec-fetch-"):
                found.append(Problem(field, f"{name!r} differs from request to request, or is no header.", "Leave it out."))
        if not 1 <= len(self.parts) <= MOST_PARTS or len(set(map(str, self.headers))) < len(self.headers):
            fix = f"Name 1 to {MOST_PARTS}, each once; fingerprint=None compares nothing."
            found.append(Problem("validation.fingerprint.headers", f"makes {len(self.parts)} parts, or one twice.", fix))
        if not any(_is_required(str(part)) for part in self.parts):
            fix = 'Name "user-agent", or a header that each of your clients sends.'
            found.append(Problem("validation.fingerprint.headers", "holds only what a client may leave out.", fix))
        if type(self.network) is not bool:
            found.append(Problem("validation.fingerprint.network", f"is {shown(self.network)}.", "Write True or False."))
        if type(self.tolerance) is not int or not 0 <= self.tolerance < max(1, len(self.parts)):
            fix = "Use a whole number from 0 to one less than there are parts."
            found.append(Problem("validation.fingerprint.tolerance", f"is {shown(self.tolerance)}.", fix))
        if self.on_mismatch not in ("log", "step_up", "revoke"):
            fix = "Use 'log', 'step_up' or 'revoke'."
            found.append(Problem("validation.fingerprint.on_mismatch", f"is {shown(self.on_mismatch)}.", fix))
        return found


def _is_required(part: str) -> bool:
    return part not in _OPTIONAL and not part.startswith(_HINTS)


class Comparison(NamedTuple):
    """How a client differs from the one for whom the session was made."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Optional parts that only one of the two has."""
    malformed: bool = False
    """What was kept can't be read; then every part counts as changed."""


THE_SAME = Comparison()


class Fingerprints:
    """Makes fingerprints with the first key, and reads those that were made with any of them."""

    def __init__(self, policy: FingerprintPolicy, keys: Sequence[bytes]) -> None:
        self.policy = policy
        headers = sorted(policy.headers)  # in which order they are named makes no difference
        self._names = tuple(name.encode() for name in headers)
        self._parts = (*headers, NETWORK) if policy.network else tuple(headers)
        scheme = "\0".join(self._parts).encode()
        named = [(hmac.digest(key, b"name\0" + scheme, "sha256")[:_NAME_BYTES], key) for key in keys]
        self._first, self._keys = named[0], dict(named)
        self._compare_again = lru_cache(_REMEMBERED_CLIENTS)(self._compare)

    def of(self, client: Client) -> str:
        """What is kept of a client, in ASCII."""
        name, key = self._first
        return urlsafe_b64encode(name + b"".join(self._hashed(key, self._values(client)))).rstrip(b"=").decode("ascii")

    def compare(self, kept: str | None, client: Client) -> Comparison:
        """How ``client`` differs from the one of which ``kept`` was made; not at all where nothing was kept."""
        if kept is None:
            return THE_SAME
        values = self._values(client)
        is_usual = len(kept) <= _LONGEST_USUAL and sum(map(len, values)) <= _LONGEST_USUAL
        return self._compare_again(kept, values) if is_usual else self._compare(kept, values)

    def is_another(self, found: Comparison) -> bool:
        """Whether the differences are more than is tolerated."""
        return bool(found.changed) and len(found.changed) + len(found.missing) > self.policy.tolerance

    def _compare(self, kept: str, values: tuple[bytes, ...]) -> Comparison:
        if _KEPT.fullmatch(kept) is None:
            return Comparison(self._parts, malformed=True)
        raw = urlsafe_b64decode(kept + "=" * (-len(kept) % 4))
        key = self._keys.get(raw[:_NAME_BYTES])
        if key is None:
            return THE_SAME  # made of other parts, or with a secret that is gone
        if len(raw) != _NAME_BYTES + _PART_BYTES * len(self._parts):
            return Comparison(self._parts, malformed=True)
        changed, missing = [], []
        for at, (part, now) in enumerate(zip(self._parts, self._hashed(key, values), strict=True)):
            start = _NAME_BYTES + _PART_BYTES * at
            then = raw[start : start + _PART_BYTES]
            if then == now:
                continue
            if _MISSING not in (then, now) or _is_required(part):
                changed.append(part)
            elif part in _OPTIONAL:
                missing.append(part)
        return Comparison(tuple(changed), tuple(missing)) if changed or missing else THE_SAME

    def _values(self, client: Client) -> tuple[bytes, ...]:
        """What the client says for each part; empty where it says nothing."""
        headers, address = client
        found: Mapping[bytes, bytes] = dict(headers)
        if len(found) != len(headers):
            found = _joined(headers, self._names)
        values = tuple([found.get(name, b"") for name in self._names])
        if self.policy.network:
            values += (network_of(address).encode() if address is not None else b"",)
        return values

    def _hashed(self, key: bytes, values: Sequence[bytes]) -> list[bytes]:
        hashes = []
        for at, (part, value) in enumerate(zip(self._parts, values, strict=True)):
            said = value.translate(None, b"0123456789") if part == "user-agent" else value
            hashes.append(hashlib.blake2b(said, digest_size=_PART_BYTES, key=key, salt=b"%d" % at).digest() if value else _MISSING)
        return hashes


def _joined(headers: Sequence[tuple[bytes, bytes]], names: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """Headers that came in several lines; in linear time, however many there are."""
    lines: dict[bytes, list[bytes]] = {name: [] for name in names}
    for name, value in headers:
        if name in lines:
            lines[name].append(value)
    return {name: b", ".join(values) for name, values in lines.items()}
