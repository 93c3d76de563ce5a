"""Install what the services need: `python3 -m tests.services.install [SERVICE...]`, by default for all of them.

Uses apt-get where it may (as root, or by a sudo that asks for no password), else says what to install and fails.
Does nothing, in no time, where everything is there.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.services import keycloak_install
from tests.services.process import ServiceError, run_quietly

# By service: the program that must be found, and the Debian packages that bring it.
PACKAGES = {
    "redis": {"redis-server": ["redis-server"]},
    "keycloak": {"java": ["default-jre-headless"], "mvn": ["maven"]},
    "wrk": {"wrk": ["wrk"]},
    "browser": {"chromium": ["chromium", "fonts-liberation"]},
}


def missing_packages(services: Sequence[str]) -> list[str]:
    """The Debian packages that the services lack on this machine."""
    needed = [item for service in services for item in PACKAGES[service].items()]
    return [package for program, packages in needed if not shutil.which(program) for package in packages]


def install(services: Sequence[str]) -> None:
    """Make the services startable; raise ServiceError with one line of what to do where that is not possible."""
    packages = missing_packages(services)
    if packages:
        apt_get = [*_privilege(packages), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        print(f"Installing {' '.join(packages)} with apt-get (up to two minutes) ...", flush=True)
        run_quietly([*apt_get, "update"])
        run_quietly([*apt_get, "install", "--yes", "--no-install-recommends", *packages])
    if "keycloak" in services:
        keycloak_install.ensure_installed()


def _privilege(packages: Sequence[str]) -> list[str]:
    """How to become root, as the start of a command."""
    if shutil.which("apt-get"):
        if os.geteuid() == 0:
            return []
        sudo = ["sudo", "-n"]
        if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
            return sudo
    raise ServiceError(f"The tests need more programs. On Debian: sudo apt-get install {' '.join(packages)}")


def main(services: Sequence[str]) -> int:
    """Install for the named services; return the exit code."""
    if unknown := set(services) - set(PACKAGES):
        print(f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(PACKAGES)}.", file=sys.stderr)
        return 2
    try:
        install(services or list(PACKAGES))
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
