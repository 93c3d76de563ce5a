"""Time for a store whose clock is a real server's."""

from pathlib import Path

from asgi_session.redis import Script
from asgi_session.stores.redis import RedisStore

_LET_TIME_PASS = Script("let_time_pass", Path(__file__).with_name("let_time_pass.lua").read_text())


async def let_time_pass(store: RedisStore, seconds: float) -> None:
    """Make everything that ``store`` keeps that much older; less than 0: the server's clock was set back."""
    async for key in store.client.scan(f"{store.namespace}:*"):
        await store.client.run(_LET_TIME_PASS, [key], [round(seconds * 1000)])
