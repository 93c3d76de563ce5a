"""How many examples a property is tried on.

``TEST_EXAMPLES=100000`` tries each on so many, for a night's run; without it each property has its own small number. The variable
has not the package's own prefix: the package refuses those that it does not know.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

ASKED_FOR = int(os.environ.get("TEST_EXAMPLES") or 0)
"""0: nobody asked."""


def examples(number: int = 100, **options: Any) -> settings:
    """Settings for a property that is tried on ``number`` examples, or on as many as the environment asks for.

    No limit of time: it would tell about the machine.
    """
    return settings(
        **{"max_examples": ASKED_FOR or number, "deadline": None, "suppress_health_check": [HealthCheck.too_slow], **options}
    )


settings.register_profile("asgi_session", examples())
settings.load_profile("asgi_session")  # for properties that say nothing themselves; tests/conftest.py sees to it that this is read
