"""A worker process: makes one object, a *role*, and calls its coroutine methods as standard input says, one JSON line each.

Needs the standard library only, since some workers run in an environment of their own. Ends with its standard input.
"""

import asyncio
import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any, TextIO


def main(role: str) -> None:
    """Serve the role, given as ``module:class``."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not end up among the replies
    module, _, name = role.partition(":")
    asyncio.run(_serve(getattr(import_module(module), name)(), replies))


async def _serve(role: Any, replies: TextIO) -> None:
    """The loop keeps running while nothing is asked: what lives in the background stays alive, as in a server."""
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        call = json.loads(line)
        try:
            reply = {"returned": await getattr(role, call["method"])(**call["arguments"])}
        except Exception:  # noqa: BLE001  # the parent raises it
            reply = {"raised": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1])
