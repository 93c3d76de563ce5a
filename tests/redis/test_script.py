"""Scripts from package files."""

import hashlib

import pytest

from asgi_session.redis.script import Script


def test_the_digest_is_the_one_that_redis_computes() -> None:
    """EVALSHA wants the SHA-1 of exactly the bytes that EVAL would send."""
    source = "return 'ä'"
    assert Script("x", source).sha == hashlib.sha1(source.encode()).hexdigest()


def test_a_script_is_read_from_a_package() -> None:
    """The name is the file's, without its ending."""
    script = Script.from_package("tests.redis", "add.lua")
    assert script.name == "add"
    assert "INCRBY" in script.source


def test_a_missing_file_is_an_error() -> None:
    """A typo fails at once and not at the first request."""
    with pytest.raises(FileNotFoundError):
        Script.from_package("tests.redis", "none.lua")


def test_repr_is_short() -> None:
    """The source is not in messages."""
    assert "return" not in repr(Script("x", "return 1"))
