"""How many examples a property is tried on.

``TEST_EXAMPLES=100000`` tries each on so many, for a night's run; without it each property has its own small number, of which
``TEST_EXAMPLES_AT_MOST=10`` leaves so many (`noxfile.py unit` says so). The variables have not the package's own prefix: the
package refuses those that it does not know.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

ASKED_FOR = int(os.environ.get("TEST_EXAMPLES") or 0)
"""0: nobody asked."""
AT_MOST = int(os.environ.get("TEST_EXAMPLES_AT_MOST") or 0)
"""0: no limit. What is asked for has none either."""
THE_SAME_EACH_TIME = bool(os.environ.get("CI")) and not ASKED_FOR
"""The gate tells whether a change is good, so it tries the same examples each time; new ones are found at the desk."""


def examples(number: int = 100, *, shared_fixtures: bool = False, **options: Any) -> settings:
    """Settings for a property that is tried on ``number`` examples, or on as many as the environment asks for or allows.

    ``shared_fixtures``: whether all examples may use the same fixtures, as the test sees to it that they start alike. No limit of
    time: it would tell about the machine.
    """
    expected = [HealthCheck.too_slow, *([HealthCheck.function_scoped_fixture] if shared_fixtures else [])]
    return settings(
        max_examples=ASKED_FOR or min(number, AT_MOST or number),
        deadline=None,
        suppress_health_check=expected,
        derandomize=THE_SAME_EACH_TIME,
        print_blob=True,
        **options,
    )


settings.register_profile("asgi_session", examples())
settings.load_profile("asgi_session")  # for properties that say nothing themselves; tests/conftest.py sees to it that this is read
