"""Run the first Python block of the README: `python -I tests/readme_quickstart.py README.md`.

A script rather than a test, because the `build` session runs it where nothing but the wheel is installed.
"""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import httpx


def first_python_block(markdown: str) -> str:
    """The source of the first fenced Python block."""
    block = re.search(r"^```python\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE)
    if block is None:
        sys.exit("The README has no Python block.")
    return block[1]


async def visit_twice(app: Any) -> None:
    """Check that the app answers, sets a cookie, and remembers its visitor (it counts, so its answer changes)."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as visitor:
        first = await visitor.get("/")
        second = await visitor.get("/")
    for answer in (first, second):
        print(f"GET / -> {answer.status_code} {answer.text!r}")
        answer.raise_for_status()
    if not first.headers.get("set-cookie") or first.text == second.text:
        sys.exit("The quickstart does not remember its visitor.")


def main(readme: str) -> None:
    """Run the quickstart of a README as its reader would."""
    names: dict[str, Any] = {"__name__": "quickstart"}
    source = first_python_block(Path(readme).read_text())
    exec(compile(source, readme, "exec"), names)
    asyncio.run(visit_twice(names["app"]))


if __name__ == "__main__":
    main(sys.argv[1])
