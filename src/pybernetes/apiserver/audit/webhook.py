"""Audit events sent to a server of the operator's.

Guarantees  What cannot be sent is sent again a few times, less and less often; then it is lost, logged and counted.

Follows k8s.io/apiserver/plugin/pkg/audit/webhook.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pybernetes.apiserver.audit.batches import Batches, Batching
from pybernetes.apiserver.audit.losses import Losses
from pybernetes.apiserver.http import JSON
from pybernetes.apiserver.webhook_file import WebhookTarget

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

PLUGIN = "webhook"
ATTEMPTS = 5
GROWTH = 1.5
SECONDS = 30.0


class Poster:
    """``post`` answers whether the events have been taken."""

    def __init__(self, target: WebhookTarget, losses: Losses, *, first_delay: float = 10.0) -> None:
        self._target = target
        self._losses = losses
        self._first_delay = first_delay
        self._session: aiohttp.ClientSession | None = None

    async def post(self, batch: list[bytes]) -> bool:
        delay = self._first_delay
        for attempt in range(ATTEMPTS):
            if await self._send(batch):
                return True
            if attempt + 1 < ATTEMPTS:
                await asyncio.sleep(delay)
                delay *= GROWTH
        log.error("audit events are lost: the webhook cannot be reached", extra={"events": len(batch)})
        self._losses.add(PLUGIN, len(batch))
        return False

    async def post_once(self, batch: list[bytes]) -> bool:
        """At the end nobody waits long."""
        return await self._send(batch)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, batch: list[bytes]) -> bool:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS))
        head = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
        body = head + b",".join(batch) + b"]}"
        headers = {"Content-Type": JSON, **self._target.headers}
        try:
            async with self._session.post(
                self._target.url, data=body, headers=headers, ssl=self._target.tls or True
            ) as answer:
                if 200 <= answer.status <= 206:
                    return True
                log.warning("the audit webhook refuses", extra={"status": answer.status})
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("the audit webhook does not answer", extra={"error": str(error)})
        return False


class BatchedWebhook:
    """Implements `Sink`; ``start`` and ``stop`` it with the server."""

    def __init__(self, poster: Poster, batching: Batching, losses: Losses) -> None:
        self._poster = poster
        self._ending = False
        self._batches = Batches(self._deliver, batching, losses, "audit webhook")

    def take(self, event: bytes) -> bool:
        return self._batches.take(event)

    def start(self) -> None:
        self._batches.start()

    async def stop(self) -> None:
        """Sends what waits, once."""
        self._ending = True
        await self._batches.stop()
        await self._poster.close()

    async def _deliver(self, batch: list[bytes]) -> bool:
        return await (self._poster.post_once(batch) if self._ending else self._poster.post(batch))


class BlockingWebhook:
    """Implements `Sink`: each event is sent alone, and whoever tells it may wait until it has been taken."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._under_way: set[asyncio.Future[bool]] = set()

    def take(self, event: bytes) -> asyncio.Future[bool]:
        sending = asyncio.ensure_future(self._poster.post([event]))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)
        return sending

    def start(self) -> None:
        return

    async def stop(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=SECONDS)
        await self._poster.close()
