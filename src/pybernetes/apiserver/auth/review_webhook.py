"""A webhook of the operator's that answers reviews: who a token is of, who may do what.

Guarantees  Failures that may pass (no connection, 429, 5xx) are tried again, a little later each time.

Follows k8s.io/apiserver/pkg/util/webhook/webhook.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from pybernetes.apiserver.http import JSON
from pybernetes.apiserver.webhook_file import WebhookTarget

if TYPE_CHECKING:
    import aiohttp

Document = Mapping[str, Any]

ATTEMPTS = 5
FIRST_DELAY = 0.5
GROWTH = 1.5
SECONDS = 30.0


class ReviewFailed(Exception):
    """There is no answer."""


class ReviewWebhook:
    def __init__(self, target: WebhookTarget, *, first_delay: float = FIRST_DELAY, seconds: float = SECONDS) -> None:
        self._target = target
        self._first_delay = first_delay
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, review: Document) -> Document:
        """The `status` of the answer. Raises ReviewFailed."""
        delay = self._first_delay
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._send(review)
            except _Passing:
                await asyncio.sleep(delay)
                delay *= GROWTH
        return await self._send(review)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, review: Document) -> Document:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._seconds))
        headers = {"Content-Type": JSON, **self._target.headers}
        try:
            async with self._session.post(
                self._target.url, data=orjson.dumps(review), headers=headers, ssl=self._target.tls or True
            ) as answer:
                return _status_of(answer.status, await answer.read(), str(review["kind"]))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _Passing(str(error)) from error


class _Passing(ReviewFailed):
    """It may go better next time."""


def _status_of(status: int, body: bytes, kind: str) -> Document:
    if status == 429 or status >= 500:
        raise _Passing(f"the webhook answers {status}")
    if not 200 <= status <= 206:
        raise ReviewFailed(f"the webhook answers {status}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ReviewFailed(f"the webhook answers no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise ReviewFailed(f"the webhook answers no {kind}")
    found: Document = document.get("status") or {}
    return found
