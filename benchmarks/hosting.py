"""The role of a worker that hosts contenders in-process. Needs the standard library only."""

import gc
import logging
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from typing import Any

from benchmarks.contenders.site import ASGIApp, Site
from benchmarks.driver import Driver
from benchmarks.registry import CONTENDERS, Contender


def application_of(contender: Contender, site: Site) -> ASGIApp:
    """The contender's application."""
    module, _, function = contender.app.partition(":")
    make = getattr(import_module(f"benchmarks.contenders.{module}"), function)
    app: ASGIApp = make(site, **contender.options)
    return app


class Host:
    """Applications under measurement, driven in this process."""

    def __init__(self) -> None:
        logging.disable()  # what goes wrong shows in the answers
        self._drivers: dict[str, Driver] = {}

    async def open(self, name: str, site: Mapping[str, Any], visitors: int) -> None:
        """Start a contender and let its visitors log in."""
        contender, where = CONTENDERS[name], Site(**site)
        driver = self._drivers[name] = Driver(application_of(contender, where))
        await driver.start()
        if contender.tokens:
            await driver.present_tokens(where.tokens[:visitors])
        elif contender.login:
            await driver.log_in(visitors, contender.login)
        gc.collect()
        gc.freeze()  # as a server that has started; what other contenders brought is not walked at each collection

    async def round(self, name: str, requests: int, in_flight: int) -> dict[str, Any]:
        """See `Driver.round`."""
        return asdict(await self._drivers[name].round(requests, in_flight))

    async def log_in_at_once(self, name: str, visitors: int, in_flight: int) -> dict[str, Any]:
        """See `Driver.log_in_at_once`."""
        latencies, failures = await self._drivers[name].log_in_at_once(visitors, in_flight, CONTENDERS[name].login)
        return {"latencies": latencies, "failures": failures}

    async def garbage(self, name: str, requests: int) -> float:
        """See `Driver.garbage`."""
        return await self._drivers[name].garbage(requests)

    async def close(self) -> None:
        """Stop all."""
        for driver in self._drivers.values():
            await driver.stop()
        self._drivers.clear()

    async def versions(self, packages: list[str]) -> dict[str, str]:
        """Of the environment that this process runs in."""
        return {package: version(package) for package in packages}
