"""Every task of the project: `python3 noxfile.py SESSION... [OPTIONS] [-- ARGUMENTS]`, or `--list`.

Needs Python 3.11 or newer with its venv module, and nothing else: where nox is missing, the file first makes itself an
environment that has it. With nox installed, `nox -s SESSION` does the same.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent
BOOTSTRAP = ROOT / ".nox" / "bootstrap"


def bootstrap() -> None:
    """Run this file again in an environment that has nox, which is made the first time."""
    python = BOOTSTRAP / "bin" / "python"
    complete = BOOTSTRAP / "complete"
    if not complete.exists():
        print(f"Setting up nox in {BOOTSTRAP.relative_to(ROOT)} (once, about 20 s) ...", flush=True)
        try:
            venv.create(BOOTSTRAP, clear=True, with_pip=True)
        except subprocess.CalledProcessError:  # Debian's python3 has the venv module, but not the pip that it puts in
            sys.exit("Python can't put pip into an environment. On Debian and Ubuntu: apt-get install python3-venv")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "nox[uv]>=2025.2"], check=True)
        complete.touch()
    os.execv(python, [str(python), *sys.argv])


try:
    import nox
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    bootstrap()

PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ALL_CORES = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
"""For tests that are not marked `alone`."""
LONG = "lengthy or slow or server"
"""Marks of tests whose coverage isn't measured."""
FEW_EXAMPLES = {"TEST_EXAMPLES_AT_MOST": "10"}
"""Of each property (tests/support/examples.py)."""
OTHER_PYTHONS = [version for version in nox.project.python_versions(PYPROJECT) if version != THIS_PYTHON]

nox.needs_version = ">=2025.2"
nox.options.sessions = ["unit", "lint", "types"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # also in CI: the versions that the machine has are tested


def keep_bytecode() -> None:
    """Let Python keep what it compiles, under .nox/ where it's told to keep nothing beside the sources.

    Container images often set PYTHONDONTWRITEBYTECODE. Here hundreds of processes would then compile the same packages again, which
    is most of what they do: collecting the tests takes three times as long.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".nox" / "bytecode"))


def show_pythons_of_pyenv() -> None:
    """Put pyenv's interpreters before its shims, which fail for every version that is not selected."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    folders = [str(folder) for version in OTHER_PYTHONS for folder in versions.glob(f"{version}.*/bin")]
    os.environ["PATH"] = os.pathsep.join([*folders, os.environ["PATH"]])


def install(session: nox.Session, *groups: str) -> None:
    """Install the package from the checkout, and what the groups of pyproject.toml name."""
    session.install("--editable", ".", *nox.project.dependency_groups(PYPROJECT, *groups))


@nox.session
def demo(session: nox.Session) -> None:
    """Start the demo on http://127.0.0.1:8000 (`-- --redis`: with its sessions in Redis)."""
    install(session, "demo")
    if "--redis" in session.posargs:
        session.run("python", "-m", "tests.services.install", "redis")
    session.run("python", "-m", "examples.demo", *session.posargs, interrupt_timeout=10)


@nox.session(python=[*reversed(OTHER_PYTHONS), THIS_PYTHON])
def tests(session: nox.Session) -> None:
    """Run the tests: all, with coverage, on the Python that runs nox; those of unit and Redis on the others present.

    All are three runs: most of them on all cores, with coverage, and properties on few examples; there too, but without coverage,
    those that take long, and properties on all examples, as coverage makes them three times as slow and finds hardly another line;
    then one by one, and without it too, as many of them measure times, those that are marked `alone`.

    Installs what the machine lacks (Redis, Keycloak, Chromium), or says how to. `-- ARGUMENTS` go to pytest, which then
    measures no coverage.
    """
    install(session, "test")
    full = session.python == THIS_PYTHON
    session.run("python", "-m", "tests.services.install", *([] if full else ["redis"]))
    runs: list[tuple[list[str], dict[str, str]]]
    if session.posargs:
        runs = [(session.posargs, {})]
    elif full:
        together = ["-m", f"not alone and not ({LONG})", *ALL_CORES, "--cov", "--cov-report=term-missing:skip-covered"]
        lengthy = ["-m", f"not alone and ({LONG} or hypothesis)", *ALL_CORES]
        runs = [(together, FEW_EXAMPLES), (lengthy, {}), (["-m", "alone"], {})]
    else:
        runs = [(["-m", "not alone and not cluster and not slow", *ALL_CORES], FEW_EXAMPLES)]
    for arguments, environment in runs:
        session.run("python", "-m", "pytest", *arguments, env=environment, interrupt_timeout=30)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that need no service, without those that take long, on all cores: 40 seconds on two slow ones.

    Properties are tried on few examples. `-- ARGUMENTS` go to pytest, which then leaves nothing out, on one core.
    """
    install(session, "test")
    quick = ["-m", "not slow and not lengthy", "-n", "auto", "--dist", "worksteal"]
    few = {} if session.posargs else FEW_EXAMPLES
    session.run("python", "-m", "pytest", "--unit", *(session.posargs or quick), env=few)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format (`-- --fix` mends both)."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, both strict."""
    install(session, "types")
    session.run("mypy")
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the generated pages of docs/ are up to date (`-- --write` writes them)."""
    install(session, "test")
    session.run("python", "-m", "docs.generate", *(session.posargs or ["--check"]))


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build sdist and wheel, check them, and run the README's quickstart on the installed wheel alone."""
    with tempfile.TemporaryDirectory() as folder:
        session.run("uv", "build", "--out-dir", folder, silent=True)  # the wheel is built from the sdist
        packages = [str(package) for package in Path(folder).glob("asgi_session-*")]
        session.run("uvx", "twine", "check", "--strict", *packages)
        session.install(*(package for package in packages if package.endswith(".whl")))
    # Isolated, so that the checkout is not on the path: what is imported is the wheel.
    session.run("python", "-I", "tests/readme_quickstart.py", "README.md")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks and write docs/benchmarks.md (`-- --quick`: only see that they work; `-- NAME`: one of them)."""
    install(session, "bench")
    session.run("python", "-m", "tests.services.install", "redis", "wrk")
    session.run("python", "-m", "benchmarks", *session.posargs)


keep_bytecode()
show_pythons_of_pyenv()

if __name__ == "__main__":
    arguments = sys.argv[1:] or ["--list"]
    if not arguments[0].startswith("-"):
        arguments = ["--session", *arguments]
    sys.argv[1:] = ["--noxfile", __file__, *arguments]
    nox.main()
