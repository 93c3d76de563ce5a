"""Keycloak's distribution: fetched from Maven Central and built once, then kept outside the checkout."""

import fcntl
import os
import shutil
import zipfile
from pathlib import Path

from tests.services.process import program, run_quietly

VERSION = "26.7.0"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "asgi_session")
HOME = _CACHE / f"keycloak-{VERSION}"


def ensure_installed() -> Path:
    """Return the folder of a built Keycloak. The first call takes a minute and says what it does.

    Safe to call from several processes at once: one works, the others wait for it.
    """
    if not HOME.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with (_CACHE / "keycloak.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not HOME.exists():
                _install()
    return HOME


def _install() -> None:
    work = _CACHE / f"keycloak-{VERSION}.part"
    shutil.rmtree(work, ignore_errors=True)
    print(f"Fetching Keycloak {VERSION} (176 MB) ...", flush=True)
    run_quietly([program("mvn"), "-q", "-B", _COPY, f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={work}"])
    print(f"Building Keycloak {VERSION} (half a minute, once) ...", flush=True)
    archive = next(work.glob("*.zip"))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(work)
    built = work / f"keycloak-{VERSION}"
    run_quietly(["sh", str(built / "bin" / "kc.sh"), "build", "--db=dev-mem", "--health-enabled=true", "--metrics-enabled=true"])
    built.rename(HOME)  # last, so that a folder by this name is always complete
    shutil.rmtree(work)
