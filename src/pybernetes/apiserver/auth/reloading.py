"""Files of the operator's that are taken in again when they change, while the server runs.

Guarantees  A file is looked at every second, and read when it looks changed. What cannot be used is logged and counted,
            and what was there before goes on.

Follows pkg/kubeapiserver/authorizer/reload.go, and its like for authentication and encryption.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from pybernetes.api.clock import Clock
from pybernetes.apiserver import background
from pybernetes.apiserver.admission.host import ConfigurationError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
Signature = tuple[int, int, int]


class FileReloader:
    """``take`` gets the new content; it raises ConfigurationError where that cannot be used.

    ``subject`` is what the file is about, as the metrics name it (`authorization`, `authentication`, `encryption`).
    """

    def __init__(
        self, subject: str, path: str, take: Callable[[bytes], Awaitable[None]], clock: Clock, content: bytes
    ) -> None:
        """``content`` is what the server was started with."""
        self.subject = subject
        self._path = Path(path)
        self._take = take
        self._clock = clock
        self._content = content
        self._seen = self._signature()
        self._task: asyncio.Task[None] | None = None
        self.failures = self.successes = 0
        self.last_failure = self.last_success = 0.0
        self.hash = _hash_of(content)

    def start(self) -> None:
        self._task = background.start(self._run(), f"{self.subject} configuration")

    async def stop(self) -> None:
        if self._task is not None:
            await background.stop(self._task)
            self._task = None

    async def look(self) -> None:
        """Takes the file in if it has changed."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
            if content == self._content:
                return
            self._content = content
            await self._take(content)
        except (ConfigurationError, OSError) as error:
            log.error("%s configuration: the changed file is not used: %s", self.subject, error)
            self.failures += 1
            self.last_failure = self._clock.now().timestamp()
            return
        log.info("%s configuration: the changed file is used", self.subject)
        self.hash = _hash_of(content)
        self.successes += 1
        self.last_success = self._clock.now().timestamp()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    def _signature(self) -> Signature | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _hash_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
