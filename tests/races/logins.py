"""One process of several whose user logs in everywhere at once: ``python -m tests.races.logins URL NAMESPACE LIMIT POLICY TIMES``.

Says ``ready``, begins when it is told to, and prints what became of each login: its credential, or null where it was refused.
"""

import asyncio
import json
import sys
from typing import Any

from asgi_session import SessionCap, SessionCapReached, SessionManager
from asgi_session.redis import RedisClient
from asgi_session.stores.redis import RedisStore
from tests.support.site import SECRET


async def log_in(url: str, namespace: str, limit: int, when_full: Any, times: int) -> None:
    """See the module."""
    store = RedisStore(RedisClient(url, operation_timeout=5.0), namespace=namespace)
    async with SessionManager(SECRET, store=store, session_cap=SessionCap(limit, when_full)) as manager:
        await manager.create(None)  # connected
        print("ready", flush=True)
        sys.stdin.readline()
        made = await asyncio.gather(*(manager.create("ann") for _ in range(times)), return_exceptions=True)
        unexpected = [each for each in made if isinstance(each, BaseException) and not isinstance(each, SessionCapReached)]
        if unexpected:
            raise unexpected[0]
        print(json.dumps([getattr(session, "credential", None) for session in made]))


if __name__ == "__main__":
    asyncio.run(log_in(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])))
