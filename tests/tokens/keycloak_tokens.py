"""What tests against a real Keycloak are made of: a clock to set ahead, and the keys that tokens name."""

import asyncio
import base64
import json
import time
from collections.abc import Callable

from tests.tokens.parts import segment

AUDIENCE = "our-api"


class MovableClock:
    """The machine's clocks, which a test can set ahead."""

    def __init__(self) -> None:
        self.wall_ahead = self.steady_ahead = 0.0

    def now(self) -> float:
        return time.time() + self.wall_ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.steady_ahead


def with_kid(token: str, kid: str) -> str:
    """The same token under the name of another key."""
    header, rest = token.split(".", 1)
    parameters = json.loads(base64.urlsafe_b64decode(header + "=="))
    return f"{segment(json.dumps({**parameters, 'kid': kid}))}.{rest}"


def kid_of(token: str) -> str:
    """The key that a token names."""
    kid: str = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]
    return kid


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that a real process does in its own time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
