"""A worker that is sent hostile headers."""

import logging
import random
import time
from collections.abc import Callable

from asgi_session import JWTVerifier, RateLimit, SessionMiddleware
from benchmarks.contenders.site import NAME, SECRET, application, no_login
from benchmarks.driver import Driver, Header

_MEBIBYTE = 2**20
_SIGNATURE = b"A" * 342


def _cookie(value: bytes) -> Header:
    return (b"cookie", value)


def _bearer(value: bytes) -> Header:
    return (b"authorization", b"Bearer " + value)


SHAPES: dict[str, Callable[[bytes, int], list[Header]]] = {
    "one long cookie": lambda name, size: [_cookie(name + b"=" + b"a" * size)],
    "many cookies": lambda name, size: [_cookie(b"; ".join([b"a=b"] * (size // 5)))],
    "the session's cookie many times": lambda name, size: [_cookie(b"; ".join([name + b"=x"] * (size // (len(name) + 4))))],
    "semicolons": lambda name, size: [_cookie(b";" * size)],
    "equals signs": lambda name, size: [_cookie(b"=" * size)],
    "quotes and backslashes": lambda name, size: [_cookie(name + b'="' + b'\\"' * (size // 2))],
    "beginnings of the name": lambda name, size: [_cookie((name[:-1] + b" ") * (size // len(name)))],
    "many cookie headers": lambda name, size: [_cookie(name + b"=" + b"x" * 20)] * (size // 40),
    "dots in a cookie": lambda name, size: [_cookie(name + b"=" + b"." * size)],
    "one long token": lambda name, size: [_bearer(b"a" * size)],
    "dots in a token": lambda name, size: [_bearer(b"." * size)],
    "a token with a long header": lambda name, size: [_bearer(b"eyJh" * (size // 4) + b".e30." + _SIGNATURE)],
    "a token of deep nesting": lambda name, size: [_bearer(b"W1tb" * (size // 4) + b".e30." + _SIGNATURE)],
    "blanks before the token": lambda name, size: [_bearer(b" " * size + b"a.b.c")],
    "another scheme": lambda name, size: [(b"authorization", b"x" * size)],
    "many authorization headers": lambda name, size: [_bearer(b"a.b.c")] * (size // 30),
}
"""By what they are: headers of about so many bytes."""


class Attacked:
    """Sessions and tokens, behind a limit that is never reached, so that each header is looked at."""

    def __init__(self) -> None:
        logging.disable(logging.WARNING)
        self._driver = Driver(application(lambda scope: NAME, no_login))
        self._good: list[Header] = []

    async def open(self, redis_url: str, issuer: str, audience: str, jwks: dict[str, object], token: str, cookie: str) -> None:
        """Start; a good token and a good cookie to be mutated."""
        verifier = JWTVerifier(issuer, audience=audience, jwks=jwks, algorithms=("RS256",))
        app = SessionMiddleware(
            application(lambda scope: NAME, no_login),
            SECRET,
            store=redis_url,
            bearer=verifier,
            rate_limits=[RateLimit("1000000000/minute")],
            failed_credentials=None,
        )
        self._driver = Driver(app)
        self._good = [_bearer(token.encode()), _cookie(b"session=" + cookie.encode())]
        await self._driver.start()

    async def close(self) -> None:
        """Stop."""
        await self._driver.stop()

    async def shaped(self, shape: str, size: int, times: int) -> dict[str, object]:
        """The same headers again and again: milliseconds of CPU of each request, and the status."""
        headers = SHAPES[shape](b"session", size)
        costs = [await self._cost(headers) for _ in range(times)]
        return {"costs": [cost for cost, _ in costs], "statuses": sorted({status for _, status in costs})}

    async def mutated(self, count: int, seed: int) -> dict[str, object]:
        """So many good headers with something wrong in them: milliseconds of CPU of each, and how often which status came."""
        chance = random.Random(seed)
        costs: list[float] = []
        statuses: dict[str, int] = {}
        for _ in range(count):
            cost, status = await self._cost([_mutated(chance.choice(self._good), chance)])
            costs.append(cost)
            statuses[str(status)] = statuses.get(str(status), 0) + 1
        return {"costs": costs, "statuses": statuses}

    async def _cost(self, headers: list[Header]) -> tuple[float, int]:
        began = time.process_time()
        exchange = await self._driver.request([(b"host", b"127.0.0.1:8000"), *headers])
        return 1000 * (time.process_time() - began), exchange.status


def _mutated(header: Header, chance: random.Random) -> Header:
    """One to eight bytes changed, a piece doubled, cut out or moved, or a part repeated up to 64 KiB."""
    name, value = header
    at, until = sorted((chance.randrange(len(value)), chance.randrange(len(value))))
    piece = value[at : until + 1]
    kind = chance.randrange(5)
    if kind == 0:
        changed = bytearray(value)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return name, bytes(changed)
    if kind == 1:
        return name, value[:at] + piece + value[at:]
    if kind == 2:
        return name, value[:at] + value[until + 1 :]
    if kind == 3:
        return name, value[:at] + value[until + 1 :] + piece
    return name, value[:at] + piece * min(chance.randint(2, 2000), 2**16 // len(piece) + 1) + value[at:]
