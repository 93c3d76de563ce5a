"""What the middleware says about its arguments when it starts."""

from typing import Any

from asgi_session import ConfigurationError, Problem
from tests.support.site import sessions


async def problems_with(**options: Any) -> tuple[Problem, ...]:
    """The mistakes that `initialize` finds, all at once; none where it starts (and is stopped again)."""
    middleware = sessions(**options)
    try:
        await middleware.initialize()
    except ConfigurationError as error:
        return error.problems
    await middleware.shutdown()
    return ()


async def fields_of_problems(**options: Any) -> set[str]:
    """Which arguments are wrong."""
    return {problem.field for problem in await problems_with(**options)}
