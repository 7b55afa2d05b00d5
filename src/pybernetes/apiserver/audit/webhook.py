"""Audit events sent to a server of the operator's, in batches, behind the requests' backs.

Guarantees
  At most ``MOST_WAITING`` events wait; what comes beyond them is lost, and said to be lost.
  A batch goes out when it is full or when its oldest event has waited ``LONGEST_WAIT``; one that cannot be sent is
  sent again a few times, less and less often.

Follows k8s.io/apiserver/plugin/pkg/audit/webhook and buffered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import aiohttp

from pybernetes.apiserver import background
from pybernetes.apiserver.http import JSON
from pybernetes.apiserver.webhook_file import WebhookTarget

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
MOST_IN_BATCH = 400
LONGEST_WAIT = 30.0
ATTEMPTS = 5
GROWTH = 1.5


class WebhookSink:
    """Implements `Sink`; ``start`` and ``stop`` it with the server."""

    def __init__(self, target: WebhookTarget, *, wait: float = LONGEST_WAIT, first_delay: float = 10.0) -> None:
        self._target = target
        self._wait = wait
        self._first_delay = first_delay
        self._waiting: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._lost = 0
        self._task: asyncio.Task[None] | None = None

    def take(self, event: bytes) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(event)
        self._some.set()
        if len(self._waiting) >= MOST_IN_BATCH:
            self._full.set()

    def start(self) -> None:
        self._task = background.start(self._run(), "audit webhook")

    async def stop(self) -> None:
        """Sends what waits, once."""
        if self._task is not None:
            await background.stop(self._task)
            self._task = None
        if self._waiting:
            async with self._session() as session:
                while self._waiting:
                    await self._post(session, self._batch())

    async def _run(self) -> None:
        async with self._session() as session:
            while True:
                await self._some.wait()
                try:
                    async with asyncio.timeout(self._wait):
                        await self._full.wait()
                except TimeoutError:
                    pass  # not full, but old enough
                await self._send(session, self._batch())

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    def _batch(self) -> list[bytes]:
        batch = [self._waiting.popleft() for _ in range(min(MOST_IN_BATCH, len(self._waiting)))]
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < MOST_IN_BATCH:
            self._full.clear()
        if self._lost:
            log.error("audit events are lost: the webhook does not keep up", extra={"events": self._lost})
            self._lost = 0
        return batch

    async def _send(self, session: aiohttp.ClientSession, batch: list[bytes]) -> None:
        delay = self._first_delay
        for attempt in range(ATTEMPTS):
            if await self._post(session, batch):
                return
            if attempt + 1 < ATTEMPTS:
                await asyncio.sleep(delay)
                delay *= GROWTH
        log.error("audit events are lost: the webhook cannot be reached", extra={"events": len(batch)})

    async def _post(self, session: aiohttp.ClientSession, batch: list[bytes]) -> bool:
        head = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
        body = head + b",".join(batch) + b"]}"
        headers = {"Content-Type": JSON, **self._target.headers}
        try:
            async with session.post(
                self._target.url, data=body, headers=headers, ssl=self._target.tls or True
            ) as answer:
                if 200 <= answer.status <= 206:
                    return True
                log.warning("the audit webhook refuses", extra={"status": answer.status})
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("the audit webhook does not answer", extra={"error": str(error)})
        return False
