"""Processes that begin at the same moment: each says ``ready``, waits for a line, and prints what came of it as JSON."""

import asyncio
import json
import sys
from typing import Any

PROCESSES = 4


async def answers_of_processes(module: str, *arguments: str) -> list[Any]:
    """What each of them printed."""
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, **pipes) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return [json.loads(answer) for answer, _ in answers]
