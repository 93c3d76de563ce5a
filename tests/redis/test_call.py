"""One command on its way."""

import asyncio

import pytest

from asgi_session.exceptions import StoreUnavailable
from asgi_session.redis.call import ASKING, Call
from asgi_session.redis.script import Script


def call(*words: str | bytes | float) -> Call:
    """A call on the running loop."""
    return Call(asyncio.get_running_loop(), words)


async def test_words_are_packed_as_redis_reads_them() -> None:
    """Each word is one argument, spaces and all."""
    assert call("SET", b"a b", 1, 2.5).packed == b"*4\r\n$3\r\nSET\r\n$3\r\na b\r\n$1\r\n1\r\n$3\r\n2.5\r\n"
    assert ASKING == b"*1\r\n$6\r\nASKING\r\n"


@pytest.mark.parametrize("word", [None, True, ["x"], object()])
async def test_what_is_no_word_is_refused(word: object) -> None:
    """A bool would be stored as "True", which nobody wants back."""
    with pytest.raises(TypeError):
        call("SET", "a", word)  # type: ignore[arg-type]


async def test_a_script_is_sent_by_digest_first_and_by_source_then() -> None:
    """Keys and arguments stay as they are."""
    script = Script("x", "return 1")
    made = Call(asyncio.get_running_loop(), ("EVALSHA", script.sha, 1, "key", "arg"), script=script)
    made.send_source(script)
    assert made.packed == call("EVAL", "return 1", 1, "key", "arg").packed
    assert made.script is None


async def test_only_the_first_outcome_counts() -> None:
    """A reply after an error, an error after a cancellation: nobody hears them."""
    failed, cancelled = call("PING"), call("PING")
    failed.fail(StoreUnavailable("x"))
    failed.resolve(1)
    assert isinstance(failed.reply.exception(), StoreUnavailable)
    cancelled.reply.cancel()
    cancelled.resolve(1)
    cancelled.fail(StoreUnavailable("x"))
    assert cancelled.reply.cancelled()
