"""Does the client differ from the one for whom the session was made? Then the log says so, once, and the policy says what to do.

One line for each session and manner of difference, in each process: a client whose browser was updated differs with every request.
"""

import logging
from collections import OrderedDict
from typing import Literal

from ..context import Request
from ..csrf import OUR_OWN_SITE
from ..fingerprint import FINGERPRINT, Comparison, Fingerprints
from ..ids import StoreKey
from ..record import Record

log = logging.getLogger("asgi_session.fingerprint")

REMEMBERED = 4096
"""Differences that were told; a forgotten one is told again."""


class Strangers:
    """Shared state: what was told, which each request may add to, between two awaits."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._told: OrderedDict[tuple[StoreKey, Comparison], None] = OrderedDict()

    def look(self, request: Request, record: Record) -> Literal["step_up", "revoke"] | None:
        """How to turn the client away; None lets it in."""
        found = self._fingerprints.compare(record.metadata.get(FINGERPRINT), request.client)
        if not self._fingerprints.is_another(found):
            return None
        action = self._fingerprints.policy.on_mismatch
        if action == "revoke" and _is_caused_by_another_site(request):
            action = "step_up"  # a page elsewhere can make the owner's browser say something else, and must not end its session
        self._tell(request, record, found, action)
        return None if action == "log" else action

    def _tell(self, request: Request, record: Record, found: Comparison, action: str) -> None:
        what = (record.key, found)
        if what in self._told:
            self._told.move_to_end(what)
            return
        self._told[what] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        mismatch = {
            "action": action,
            "session": record.key.handle,
            "client": request.client_ip or "-",
            "changed": ",".join(found.changed),
            "missing": ",".join(found.missing) or "-",
        }
        if found.malformed:
            line = "the fingerprint of a session can't be read, so all of it counts as changed: "
            log.error(line + _FIELDS, mismatch, extra={"mismatch": mismatch})
        else:  # anybody can have sessions of nobody, and fill the log with them
            level = logging.WARNING if record.user_id is not None else logging.INFO
            log.log(level, "another client presents a session: " + _FIELDS, mismatch, extra={"mismatch": mismatch})


def _is_caused_by_another_site(request: Request) -> bool:
    return any(name == b"sec-fetch-site" and value not in OUR_OWN_SITE for name, value in request.client[0])


_FIELDS = "action=%(action)s session=%(session)s client=%(client)s changed=%(changed)s missing=%(missing)s"
