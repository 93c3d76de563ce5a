"""The invalidation link: how a process learns that a session changed elsewhere, and for how long it may believe that none did.

A cached session is as good as the news about it. So each entry is bound to a *lease*: the proof, renewed again and again, that all
news up to a moment has arrived. ``Lease.until`` is at most ``TRUST`` seconds after the moment to which the last proof speaks;
when it passes, entries are not believed, whatever the reason (a cut cable, a paused server, a frozen process). Where news may have
been missed, ``Lease.generation`` grows, and every entry filled under an earlier one is dead for good.

Who may change what: a link alone changes its leases, in steps without an ``await``; everybody else only reads them.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from ..ids import StoreKey

TRUST = 2.0
"""Seconds for which silence is believed after the last proof that the link is alive (design rule 6)."""


class Invalidation(NamedTuple):
    """News about sessions of one bucket."""

    kind: Literal["changed", "ended", "user", "all", "unknown"]
    """``unknown``: something happened in the bucket that this version of the package has no word for (a newer one runs beside it
    during an upgrade). It may be an end, so it is no silence; it need not be one, so nothing is over by it: nothing that was
    known of the bucket is believed, and the store is asked."""
    bucket: str
    subject: str = ""
    """Digest of the session (``changed``, ``ended``), or tag of the user (``user``)."""
    detail: str = ""
    """``changed``: the version that it has now, or empty where nobody knows what became of it (the reply of a step was lost).
    ``user``: digest of the session that is spared, or empty."""

    @property
    def key(self) -> StoreKey:
        """The session that this is about."""
        return StoreKey(self.bucket, self.subject)


Listener = Callable[[Invalidation | None], None]
"""Is told each piece of news; None: some may have been missed, and the leases of those buckets were revoked before this is told."""


class Lease:
    """How far a bucket's news can be trusted now."""

    __slots__ = ("generation", "until")

    def __init__(self, until: float = -math.inf) -> None:
        self.until = until
        """Monotonic time up to which entries may be believed."""
        self.generation = 0
        """Grows whenever news may have been missed."""

    def revoke(self) -> None:
        """Trust nothing that was filled until now."""
        self.until = -math.inf
        self.generation += 1


def without(listeners: tuple[Listener, ...], listener: Listener) -> tuple[Listener, ...]:
    """Those that remain when ``listener`` has gone; of one that listens twice, once."""
    at = listeners.index(listener) if listener in listeners else len(listeners)
    return listeners[:at] + listeners[at + 1 :]


class InvalidationLink(Protocol):
    """Brings the news of one store."""

    lost: int
    """How many times news may have been missed because a connection was lost."""

    def lease(self, bucket: str) -> Lease:
        """The lease under which entries of this bucket live. Cheap; the same object each time."""
        ...

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` all news from now on."""
        ...

    def unlisten(self, listener: Listener) -> None:
        """Tell it no more. Nothing where it is not told; may be called by a listener while it is told something."""
        ...

    def tell(self, news: Invalidation) -> None:
        """News of this process's own making: its listeners hear it at once, not by way of the store."""
        ...

    async def start(self) -> None:
        """Begin to follow. Does not wait for the store, and does not fail where it is down: nothing is trusted then."""
        ...

    async def stop(self) -> None:
        """Stop following; nothing is trusted any more. Leaves no task."""
        ...


@runtime_checkable
class Coherent(Protocol):
    """The power of a store to tell what changed, so that its sessions may be cached."""

    link: InvalidationLink


class LocalLink:
    """The link of a store that lives in this process: all news is told at once, so silence can be believed for ever."""

    def __init__(self) -> None:
        self.lost = 0
        self._lease = Lease(math.inf)
        self._listeners: tuple[Listener, ...] = ()  # replaced as a whole: it may change while it is walked through

    def lease(self, bucket: str) -> Lease:
        """One for all."""
        del bucket
        return self._lease

    def listen(self, listener: Listener) -> None:
        """See :meth:`InvalidationLink.listen`."""
        self._listeners += (listener,)

    def unlisten(self, listener: Listener) -> None:
        """See :meth:`InvalidationLink.unlisten`."""
        self._listeners = without(self._listeners, listener)

    def tell(self, news: Invalidation) -> None:
        """See :meth:`InvalidationLink.tell`."""
        for listener in self._listeners:
            listener(news)

    async def start(self) -> None:
        """Nothing to follow."""

    async def stop(self) -> None:
        """Nothing to stop."""
