"""The tests mirror the package, both ways: whoever looks for a module's tests finds them by its name."""

from tests.meta.package import PACKAGE, SOURCES, TESTS

OF_THEIR_OWN = {
    "attacks",
    "benchmarks",
    "docs",
    "examples",
    "faults",
    "flows",
    "meta",
    "races",
    "servers",
    "services",
    "support",
    "typing",
}
"""Folders that tell stories, or help: they mirror nothing."""

TESTED_BY_OTHERS = {
    "testing/base.py": "testing/test_contract.py",
    "testing/cap.py": "testing/test_contract.py",
    "testing/changes.py": "testing/test_contract.py",
    "testing/concurrency.py": "testing/test_contract.py",
    "testing/expiry.py": "testing/test_contract.py",
    "testing/identity.py": "testing/test_contract.py",
    "testing/maintenance.py": "testing/test_contract.py",
    "testing/steps.py": "testing/test_contract.py",
    "testing/stored_form.py": "testing/test_contract.py",
    "testing/touches.py": "testing/test_contract.py",
    "testing/users.py": "testing/test_contract.py",
    "stores/base.py": "testing/test_contract.py",  # protocols; the contract says what they promise
    "stores/redis/scripts.py": "meta/test_lua.py",
    "ratelimit/bundle.py": "ratelimit/test_leases.py",
    "tokens/health.py": "tokens/test_jwks.py",
    "tokens/key_source.py": "tokens/test_verifier.py",
}
"""Modules without a test file of their own, and which one proves them."""


def test_every_module_has_its_tests() -> None:
    """`asgi_session/a/b.py` is tested by `tests/a/test_b.py`."""
    missing = []
    for source in SOURCES:
        path = source.relative_to(PACKAGE)
        expected = TESTS / path.parent / f"test_{path.name}"
        if path.name != "__init__.py" and path.as_posix() not in TESTED_BY_OTHERS and not expected.exists():
            missing.append(str(expected.relative_to(TESTS.parent)))
    assert not missing, f"Write {', '.join(missing)}, or say in TESTED_BY_OTHERS what proves the module."


def test_every_test_file_has_its_place() -> None:
    """It mirrors a module; or it lies in a folder that mirrors one of the package's, and tells about that as a whole."""
    orphans = []
    for test in TESTS.rglob("test_*.py"):
        path = test.relative_to(TESTS)
        mirrored = PACKAGE / path.parent / path.name.removeprefix("test_")
        mirrors_folder = path.parent != path.parent.parent and (PACKAGE / path.parent).is_dir()
        if path.parts[0] not in OF_THEIR_OWN and not mirrored.exists() and not mirrors_folder:
            orphans.append(str(path))
    assert not orphans, f"Nothing in the package is called like {', '.join(sorted(orphans))}. Move them to where they belong."


def test_every_excuse_is_still_needed() -> None:
    """The module is there, what proves it is there, and it has no test file of its own by now."""
    for path, proof in TESTED_BY_OTHERS.items():
        assert (PACKAGE / path).exists(), path
        assert (TESTS / proof).exists(), proof
        assert not (TESTS / path).with_name(f"test_{path.rpartition('/')[2]}").exists(), path
