"""How many examples a property is tried on."""

import os

from hypothesis import settings

EXAMPLES = int(os.environ.get("ASGI_SESSION_EXAMPLES", "0"))
"""Set it to 100,000 for a night's run; unset, each property has its own small number."""


def examples(number: int = 100, **options: int) -> settings:
    """Settings for a property that is tried on ``number`` examples, or on as many as the environment asks for."""
    return settings(max_examples=EXAMPLES or number, deadline=None, **options)
