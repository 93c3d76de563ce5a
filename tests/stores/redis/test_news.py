"""What other processes publish: understood, or at least known to be about one bucket."""

import pytest

from asgi_session.cache.link import Invalidation
from asgi_session.stores.redis.news import news_of


@pytest.mark.parametrize(
    ("message", "news"),
    [
        (b"changed 01f digest 7", Invalidation("changed", "01f", "digest", "7")),
        (b"changed 01f digest ", Invalidation("changed", "01f", "digest")),
        (b"ended 01f digest ", Invalidation("ended", "01f", "digest")),
        (b"user 01f tag digest", Invalidation("user", "01f", "tag", "digest")),
        (b"all 01f  ", Invalidation("all", "01f")),
    ],
)
def test_what_the_scripts_publish(message: bytes, news: Invalidation) -> None:
    """Each of its kinds."""
    assert news_of(message) == news


@pytest.mark.parametrize("message", [b"moved 01f digest 7", b"user 01f tag digest another", b"all 01f", b"all 01f ", b" 01f  "])
def test_what_a_newer_version_may_publish(message: bytes) -> None:
    """Another kind, or a known one that says more: something happened in the bucket, and nobody here knows what."""
    assert news_of(message) == Invalidation("unknown", "01f")


@pytest.mark.parametrize("message", [b"", b"all", b"what is this", b"all 400  ", b"all 01F  ", "all 0é1  ".encode(), b"all  01f "])
def test_what_names_no_bucket(message: bytes) -> None:
    """It may be about any session."""
    with pytest.raises(ValueError, match=r"bucket|ascii|unpack"):
        news_of(message)
