"""The driver's connections, set up as the package needs them.

Time limits are kept by ``Lane``, per batch: the driver's own would cost a third of a command's time. The driver never retries,
since a repeated write may count twice. Replies stay bytes, in RESP3.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from asgi_session.redis.url import Host, RedisAddress

_NO_LIMIT = 2**31
"""How many connections there are is decided by ``Lane``; the pool would only raise, where a lane waits."""


class _Careful:
    """For a pool: what the driver's own does a little too lightly."""

    _context: Any = None

    def make_connection(self) -> AbstractConnection:
        """Every connection uses the first one's TLS context. Making one reads all certificates, some 20 ms each time."""
        connection: AbstractConnection = super().make_connection()  # type: ignore[misc]
        if isinstance(connection, SSLConnection):
            self._context = self._context or connection.ssl_context
            connection.ssl_context = self._context
        return connection

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """A handshake that failed, in whatever way, leaves no connection that looks ready (ST-08)."""
        try:
            await super().ensure_connection(connection)  # type: ignore[misc]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Idle ones are closed in one step: the driver would wait, while somebody takes the connection and opens it again."""
        if inuse_connections:
            await super().disconnect()  # type: ignore[misc]
            return
        idle: list[AbstractConnection] = self._available_connections  # type: ignore[attr-defined]
        for connection in tuple(idle):
            await connection.disconnect(nowait=True)


class _Pool(_Careful, ConnectionPool): ...


class _SentinelPool(_Careful, SentinelConnectionPool): ...


class Connections:
    """The connections to one server, or to whatever server the Sentinels call the master."""

    def __init__(self, pool: ConnectionPool, sentinels: Sentinel | None = None) -> None:
        self.pool = pool
        self._sentinels = sentinels

    @classmethod
    def to_server(cls, address: RedisAddress, host: Host, connect_timeout: float) -> "Connections":
        """To one host of a ``redis://`` or ``redis+cluster://`` address."""
        connection_class = SSLConnection if address.tls else Connection
        options = _options(address, connect_timeout)
        return cls(_Pool(connection_class, _NO_LIMIT, host=host[0], port=host[1], **options))

    @classmethod
    def to_socket(cls, address: RedisAddress, connect_timeout: float) -> "Connections":
        """To the socket of a ``unix://`` address."""
        options = _options(address, connect_timeout)
        return cls(_Pool(UnixDomainSocketConnection, _NO_LIMIT, path=address.path, **options))

    @classmethod
    def to_master(cls, address: RedisAddress, connect_timeout: float) -> "Connections":
        """To the master of a ``redis+sentinel://`` address, which the Sentinels are asked for at each connect."""
        patience = connect_timeout / len(address.hosts)  # so that there is time to ask the last one, if the others are dead
        sentinel_options = {
            "username": address.sentinel_username,
            "password": address.sentinel_password,
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            "retry": Retry(NoBackoff(), 0),
            "ssl": address.tls,
            **address.tls_options,
        }
        sentinels = Sentinel(address.hosts, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
        options = _options(address, connect_timeout)
        options |= {"ssl": address.tls, "max_connections": _NO_LIMIT}
        pool = _SentinelPool(address.service, sentinels, **options)  # type: ignore[no-untyped-call]
        return cls(pool, sentinels)

    async def acquire(self) -> AbstractConnection:
        """An idle connection, or a new one; dead ones are replaced. Whoever takes it gives it back by ``release``."""
        idle = self.pool._available_connections
        if idle and _was_reset(idle[-1]):  # the one that the pool would hand out
            await idle[-1].disconnect(nowait=True)
        connection: AbstractConnection = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Takes a connection back.

        The pool drops idle connections when the Sentinels name another master; one that was in use just then would go on reading
        from the old one, while the invalidation link follows the new one and vouches for what was read.
        """
        if isinstance(self.pool, SentinelConnectionPool):
            server = getattr(connection, "host", None), getattr(connection, "port", None)
            if self.pool.master_address not in (None, server):
                await connection.disconnect(nowait=True)
        await self.pool.release(connection)

    async def dedicated(self) -> AbstractConnection:
        """A connection beside all others, for whoever waits for messages on it; whoever asks for it disconnects it."""
        connection: AbstractConnection = self.pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:  # also where whoever asks loses patience in the middle of the handshake
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def is_current(self, connection: AbstractConnection) -> bool:
        """Whether most Sentinels of the URL, and all that answer, call its server the master; without Sentinels, it always is.

        Most, because whoever is cut off together with an old master may still reach the Sentinel beside it, while the others have
        chosen another. All, because the one that leads a failover knows of it two seconds before the others do.
        """
        if self._sentinels is None or not isinstance(self.pool, SentinelConnectionPool):
            return True
        words = ("SENTINEL GET-MASTER-ADDR-BY-NAME", self.pool.service_name)
        asked = [sentinel.execute_command(*words) for sentinel in self._sentinels.sentinels]  # type: ignore[no-untyped-call]
        answers = [answer for answer in await asyncio.gather(*asked, return_exceptions=True) if isinstance(answer, tuple)]
        named = {(host.decode() if isinstance(host, bytes) else host, port) for host, port in answers}
        here = (getattr(connection, "host", None), getattr(connection, "port", None))
        return 2 * len(answers) > len(asked) and named == {here}

    async def drop_idle(self) -> None:
        """Closes what nobody uses just now, so that the next command connects anew."""
        with contextlib.suppress(Exception):  # they are given up in any case
            await self.pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Closes all connections."""
        with contextlib.suppress(Exception):
            await self.pool.disconnect()
        if self._sentinels is not None:
            with contextlib.suppress(Exception):
                await self._sentinels.aclose()

    def abandon(self) -> None:
        """Lets go of all connections whose event loop has ended, without waiting and without a word."""
        pools: list[ConnectionPool] = [self.pool]
        if self._sentinels is not None:
            pools += [sentinel.connection_pool for sentinel in self._sentinels.sentinels]
        for pool in pools:
            for connection in (*pool._available_connections, *pool._in_use_connections):
                _abandon(connection)


def _options(address: RedisAddress, connect_timeout: float) -> dict[str, Any]:
    return {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "protocol": 3,
        "socket_timeout": None,
        "socket_connect_timeout": connect_timeout,
        "retry": Retry(NoBackoff(), 0),
        # Managed services announce moves with these. They would also stop the pool from checking for leftover replies (ST-08).
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        **address.tls_options,
    }


def _was_reset(connection: AbstractConnection) -> bool:
    """Whether the server broke an idle connection. The driver sees only those that were ended in good order."""
    reader: asyncio.StreamReader | None = connection._reader
    return reader is not None and reader.exception() is not None


def _abandon(connection: AbstractConnection) -> None:
    """Closes a connection's socket where its loop can't do it any more.

    asyncio closes sockets in a callback of the loop, and offers no way of doing so once the loop is closed. So the callback is
    called here; on loops that have none (uvloop closes its sockets with the loop) there is nothing left to do.
    """
    writer: asyncio.StreamWriter | None = connection._writer
    if writer is None:
        return
    transport: Any = writer.transport
    try:
        transport.abort()
    except RuntimeError:  # the loop is closed
        for layer in _layers(transport):
            if getattr(layer, "_sock", None) is not None:
                with contextlib.suppress(RuntimeError):  # TLS would like to tell the loop, after the socket is closed
                    layer._call_connection_lost(None)
    connection._close()  # type: ignore[no-untyped-call]


def _layers(transport: Any) -> Iterable[Any]:
    """The transport, and the one below it under TLS."""
    yield transport
    yield getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
