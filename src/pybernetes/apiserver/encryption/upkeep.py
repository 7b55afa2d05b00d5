"""What goes on about sealed values while a server runs: the file is followed, services are asked how they are.

Follows k8s.io/apiserver/pkg/server/options/encryptionconfig (the probes of kms plugins, controller).
"""

from __future__ import annotations

import asyncio
import logging

from pybernetes.apiserver import background
from pybernetes.apiserver.auth.reloading import FileReloader
from pybernetes.apiserver.encryption.providers import Unavailable
from pybernetes.apiserver.encryption.sealed_store import SealedStore

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 10.0
"""While a service is not well."""


class Upkeep:
    """Between ``start`` and ``stop``."""

    def __init__(self, store: SealedStore, reloader: FileReloader | None) -> None:
        self.store = store
        self.reloader = reloader
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self.reloader is not None:
            self.reloader.start()
        self._task = background.start(self._run(), "kms providers")

    async def stop(self) -> None:
        if self.reloader is not None:
            await self.reloader.stop()
        if self._task is not None:
            await background.stop(self._task)
            self._task = None

    async def check(self) -> str | None:
        """A health check."""
        problems = [f"{one.name}: {one.problem}" for one in self.store.services if one.problem]
        return "; ".join(problems) or None

    async def look(self) -> None:
        for service in self.store.services:
            try:
                await asyncio.to_thread(service.refresh)
            except Unavailable as error:
                log.error("kms provider %s is not well: %s", service.name, error)

    async def _run(self) -> None:
        while True:
            well = not any(service.problem for service in self.store.services)
            await asyncio.sleep(LOOK_SECONDS if well else LOOK_AGAIN_SECONDS)
            await self.look()
