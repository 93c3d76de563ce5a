"""The security rows that the shipped contracts prove become marks here, where the marks are known."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each inherited test with its rows."""
    for item in items:
        rows = getattr(getattr(item, "function", None), "security_rows", ())
        if rows:
            item.add_marker(pytest.mark.security(*rows))
