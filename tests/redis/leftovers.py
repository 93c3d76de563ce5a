"""What must not be left over."""

import asyncio
from pathlib import Path
from typing import Any

import asgi_session

_PACKAGE = str(Path(asgi_session.__file__).parent)


def tasks_of_the_package() -> list[asyncio.Task[Any]]:
    """The running loop's tasks whose code is ours."""
    return [task for task in asyncio.all_tasks() if _is_ours(task.get_coro())]


def _is_ours(coroutine: Any) -> bool:
    return str(Path(coroutine.cr_code.co_filename).resolve()).startswith(str(Path(_PACKAGE).resolve()))
