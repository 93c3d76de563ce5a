"""Where the Redis is: one URL for a server, a Sentinel service or a Cluster.

    redis://user:password@host:6379/0               rediss:// with TLS
    unix:///run/redis.sock?db=0
    redis+sentinel://host1:26379,host2:26379/service/0?sentinel_password=…   rediss+sentinel://
    redis+cluster://host1:6379,host2:6379           rediss+cluster://

User name, password and options are percent-decoded; IPv6 addresses stand in brackets. Time limits and the number of connections
are arguments of ``RedisClient``, not options here. A URL is a secret: neither ``repr`` nor any problem shows its password.
"""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from asgi_session.exceptions import Problem

Kind = Literal["server", "socket", "sentinel", "cluster"]
Host = tuple[str, int]

_KINDS: dict[str, Kind] = {
    "redis": "server",
    "rediss": "server",
    "unix": "socket",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
_SHAPE = re.compile(r"(?P<scheme>[^:/?#]+)://(?P<place>[^/?#]*)(?P<path>/[^?#]*)?(\?(?P<query>[^#]*))?(?P<rest>#.*)?", re.S)
_DEFAULT_PORT = {"server": 6379, "cluster": 6379, "sentinel": 26379}
_TLS_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
_SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed URL. With ``problems`` it can't be used."""

    kind: Kind = "server"
    hosts: tuple[Host, ...] = ()
    """The server, the Sentinels, or any nodes of the Cluster."""
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    path: str = ""
    """Of the socket; only for ``unix://``."""
    service: str = ""
    """What the Sentinels call the master."""
    db: int = 0
    tls_options: dict[str, str | bool] = field(default_factory=dict[str, "str | bool"], repr=False)
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        """For messages: says where, never with what password."""
        if self.kind == "socket":
            return self.path
        hosts = ",".join(host_and_port(*host) for host in self.hosts)
        return f"{self.service} ({hosts})" if self.service else hosts


def host_and_port(host: str, port: int) -> str:
    """``example.org:6379``, ``[::1]:6379``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_url(url: str) -> RedisAddress:
    """Reads a URL; never raises, but lists in ``problems`` everything that is wrong with it."""
    shape = _SHAPE.fullmatch(url)
    kind = _KINDS.get(shape["scheme"].lower()) if shape else None
    if shape is None or kind is None:
        return RedisAddress(problems=(_problem("is no URL of a Redis.", f"Start it with one of: {', '.join(_KINDS)}."),))
    return _Reader(kind, shape).address()


class _Reader:
    """Collects the parts of one URL and what is wrong with them."""

    def __init__(self, kind: Kind, shape: re.Match[str]) -> None:
        self.kind: Kind = kind
        self.tls = shape["scheme"].lower().startswith("rediss")
        userinfo, self.place = _split_userinfo(shape["place"])
        self.username, _, self.password = (unquote(part) for part in userinfo.partition(":"))
        self.path = unquote(shape["path"] or "")
        self.options = dict(parse_qsl(shape["query"] or "", keep_blank_values=True))
        self.problems: list[Problem] = []
        cut_off = "".join(shape[part] or "" for part in ("path", "query", "rest"))
        if shape["rest"] or ("@" in cut_off and not userinfo):
            self._report("has a '#', '?' or '/' in its password.", "Write %23, %3F or %2F instead.")
            self.options.clear()  # their names may be pieces of the password

    def address(self) -> RedisAddress:
        service, db_text = self._service_and_db()
        tls_options = self._tls_options()
        sentinel = {name: self.options.pop(name, None) for name in _SENTINEL_OPTIONS} if self.kind == "sentinel" else {}
        db = self._db(self.options.pop("db", db_text))
        hosts = self._hosts()
        for name in self.options:
            self._report(f"has the unknown option {name!r}.", "Remove it; time limits and sizes are arguments of the client.")
        return RedisAddress(
            kind=self.kind,
            hosts=hosts,
            tls=self.tls,
            username=self.username or None,
            password=self.password or None,
            sentinel_username=sentinel.get("sentinel_username"),
            sentinel_password=sentinel.get("sentinel_password"),
            path=self.path if self.kind == "socket" else "",
            service=service,
            db=db,
            tls_options=tls_options,
            problems=tuple(self.problems),
        )

    def _service_and_db(self) -> tuple[str, str]:
        if self.kind == "socket":
            if not self.path:
                self._report("names no socket.", "Write unix:///path/of/the.sock.")
            return "", ""
        path = self.path.removeprefix("/").removesuffix("/")
        if self.kind != "sentinel":
            return "", path
        service, _, db = path.partition("/")
        if not service:
            self._report("names no service.", "Add what the Sentinels call the master: …/mymaster/0.")
        return service, db

    def _db(self, text: str) -> int:
        if text and not (text.isascii() and text.isdigit()):
            self._report("has a database that is no number.", "Write 0, 1, 2, …")
            return 0
        if self.kind == "cluster" and int(text or 0):
            self._report("names a database, but a Cluster has only database 0.", "Remove it.")
        return int(text or 0)

    def _hosts(self) -> tuple[Host, ...]:
        if self.kind == "socket":
            if self.place:
                self._report("names a host and a socket.", "Write unix:///path, with three slashes.")
            return ()
        places = self.place.split(",")
        if self.kind == "server" and len(places) > 1:
            self._report("names several hosts.", "Use redis+sentinel:// or redis+cluster://.")
        return tuple(host for place in places if (host := self._host(place)))

    def _host(self, place: str) -> Host | None:
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or port == 0:
            self._report("has a host that can't be read.", "Write host:port, with brackets around an IPv6 address.")
            return None
        return unquote(host), port or _DEFAULT_PORT[self.kind]

    def _tls_options(self) -> dict[str, str | bool]:
        found: dict[str, str | bool] = {name: self.options.pop(name) for name in _TLS_OPTIONS & self.options.keys()}
        if found and not self.tls:
            self._report("has options for TLS, but does not use it.", "Start it with rediss.")
        if found.get("ssl_cert_reqs", "required") not in {"required", "optional", "none"}:
            self._report("has an unknown ssl_cert_reqs.", "Use required, optional or none.")
        if "ssl_check_hostname" in found:
            check = _BOOLEANS.get(str(found["ssl_check_hostname"]).lower())
            if check is None:
                self._report("has a ssl_check_hostname that is neither true nor false.", "Use true or false.")
            found["ssl_check_hostname"] = check is not False
        return found

    def _report(self, message: str, fix: str) -> None:
        self.problems.append(_problem(message, fix))


def _split_userinfo(place: str) -> tuple[str, str]:
    userinfo, _, hosts = place.rpartition("@")
    return userinfo, hosts


def _problem(message: str, fix: str) -> Problem:
    return Problem("url", message, fix)
