"""Contenders in worker processes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.hosts import ContenderFailed, Hosts
from benchmarks.lab import Lab
from benchmarks.registry import CONTENDERS
from benchmarks.trips import commands_of

pytestmark = pytest.mark.redis


class Silent:
    """A progress that nobody watches."""

    def step(self, text: str) -> None:
        """Say nothing."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab for a quick run."""
    with Lab(Silent(), quick=True) as lab:
        yield lab


def test_ours_and_the_floor_take_turns(lab: Lab) -> None:
    """Both answer as they have to, with sessions and with tokens, and a hit of the L1 costs Redis nothing."""
    contenders = [CONTENDERS[name] for name in ("bare ASGI", "asgi_session L1 hit", "asgi_session JWT first sight")]
    with Hosts(lab, contenders, visitors=8) as hosts:
        assert all(hosts.round(contender, 16, 4).requests == 16 for contender in contenders)
        hosts.round(contenders[1], 16, 1)
        with lab.traffic() as traffic:
            hosts.round(contenders[1], 16, 1)
    assert not commands_of(traffic)


def test_wrong_answer_ends_the_run(lab: Lab) -> None:
    """While Redis is silent ours says 503, which is quick and worth nothing."""
    contender = CONTENDERS["asgi_session L1 miss"]
    with Hosts(lab, [contender], visitors=32) as hosts:
        hosts.round(contender, 32, 1)
        lab.redis.pause()
        with pytest.raises(ContenderFailed, match="answered wrongly: 503"):
            hosts.round(contender, 32, 32)
        lab.redis.resume()


def test_contender_that_does_not_start_ends_the_run(lab: Lab) -> None:
    """With what it said."""
    broken = replace(CONTENDERS["asgi_session L1 hit"], name="asgi_session nowhere")
    with pytest.raises(Exception, match="asgi_session nowhere"), Hosts(lab, [broken], visitors=1):
        pass
