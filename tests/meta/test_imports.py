"""`import asgi_session` is cheap: no driver, no cryptography for tokens, no tools."""

import subprocess
import sys

import pytest

HEAVY = (
    "redis",
    "joserfc",
    "cryptography",
    "httpx",
    "sqlalchemy",
    "asyncpg",
    "aiosqlite",
    "pydantic",
    "pytest",
    "fakeredis",
    "quart",
    "flask",
    "litestar",
    "fastapi",
    "starlette.applications",
    "starlette.testclient",
)


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running `code`."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Whoever keeps sessions in memory never pays for Redis, tokens or a framework."""
    loaded = loaded_after("import asgi_session")
    assert not {name for name in loaded if name.startswith("asgi_session.testing")}
    heavy = {name for name in HEAVY if name in loaded}
    assert not heavy, f"{heavy} came along. Import them where they are first used (see asgi_session/tokens/settings.py)."


@pytest.mark.lengthy
def test_making_a_middleware_in_memory_loads_nothing_heavy() -> None:
    """Neither does the constructor; nor, with a URL of Redis, anything of the driver before the start."""
    for store in ("memory://", "redis://localhost"):
        loaded = loaded_after(f"import asgi_session; asgi_session.SessionMiddleware(None, 'x' * 32, store={store!r})")
        assert not {name for name in HEAVY if name in loaded}


@pytest.mark.lengthy
def test_every_public_name_is_there_after_all() -> None:
    """What is looked up at first use is found, and what does not exist is an AttributeError."""
    loaded = loaded_after("import asgi_session; [getattr(asgi_session, name) for name in asgi_session.__all__]")
    assert "asgi_session" in loaded
    with pytest.raises(subprocess.CalledProcessError):
        loaded_after("import asgi_session; asgi_session.nothing")


def test_nothing_is_read_from_the_environment_or_started_by_an_import() -> None:
    """No thread, no event loop, no signal handler, no logging set-up."""
    code = (
        "import logging, os, threading\n"
        "before = dict(os.environ)\n"
        "import asgi_session\n"
        "assert threading.active_count() == 1\n"
        "assert dict(os.environ) == before\n"
        "assert not logging.getLogger('asgi_session').handlers\n"
        "assert logging.getLogger('asgi_session').level == logging.NOTSET\n"
        "assert not logging.getLogger().handlers"
    )
    assert loaded_after(code)
