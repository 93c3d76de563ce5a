"""A handler copies its session: to compare it later, to hand it to a job, to put it back."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.site import SITE, sessions, visiting

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda session: pickle.loads(pickle.dumps(session)),
}


@pytest.mark.security("LG-01")
@pytest.mark.parametrize("way", COPIES)
async def test_a_copy_is_a_plain_dictionary(way: str) -> None:
    """It holds the values and nothing else: no credential in a pickle, no second way to log in; put back, it is the new data."""

    def replace(scope: dict[str, Any]) -> None:
        copied = COPIES[way](scope["session"])
        assert type(copied) is dict
        assert copied == {"visits": 1}
        copied["visits"] = 10
        scope["session"] = copied

    async with visiting(sessions({**SITE, "/replace": replace})) as browser:
        await browser.get("/count")
        await browser.get("/replace")
        assert (await browser.get("/read")).json() == {"visits": 10}
